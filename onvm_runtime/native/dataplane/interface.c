/* SPDX-License-Identifier: BSD-3-Clause */
#include "interface.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>

static bool
ask(const struct interface *interface, unsigned long what, struct ifreq *answer)
{
    *answer = (struct ifreq){0};
    memcpy(answer->ifr_name, interface->name, sizeof(answer->ifr_name));
    return ioctl(interface->socket, what, answer) == 0;
}

int
interface_index(const struct interface *interface)
{
    struct ifreq answer;

    return ask(interface, SIOCGIFINDEX, &answer) ? answer.ifr_ifindex : 0;
}

bool
interface_up(const struct interface *interface)
{
    const short wanted = IFF_UP | IFF_RUNNING;
    struct ifreq answer;

    return ask(interface, SIOCGIFFLAGS, &answer) && (answer.ifr_flags & wanted) == wanted;
}

bool
interface_mac(const struct interface *interface, uint8_t mac[6], struct failure *failure)
{
    struct ifreq answer;

    if (!ask(interface, SIOCGIFHWADDR, &answer))
        return fail(failure, "interface: cannot find %s: %s", interface->name, strerror(errno));
    if (answer.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
        answer.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
        return fail(failure, "interface: %s does not carry Ethernet frames", interface->name);
    memcpy(mac, answer.ifr_hwaddr.sa_data, 6);
    return true;
}

bool
interface_takes(const struct interface *interface, uint16_t mtu, struct failure *failure)
{
    struct ifreq answer;

    if (!ask(interface, SIOCGIFMTU, &answer))
        return fail(failure, "interface: cannot find %s: %s", interface->name, strerror(errno));
    if (answer.ifr_mtu < mtu)
        return fail(failure, "mtu: %s takes %d bytes only; set mtu: %d, or `ip link set %s mtu %u`",
                    interface->name, answer.ifr_mtu, answer.ifr_mtu, interface->name, mtu);
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "arp.h"

#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <string.h>

#include "bytes.h"

#define ETHERNET 14

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void
arp_write(uint8_t *frame, const struct arp *arp, const uint8_t *to)
{
    uint8_t *at = frame + ETHERNET;

    memcpy(frame, arp->request ? everybody : to, 6);
    memcpy(frame + 6, arp->sender_mac, 6);
    store16(frame + 12, ETH_P_ARP);
    store16(at, ARPHRD_ETHER);
    store16(at + 2, ETH_P_IP);
    store16(at + 4, 6 << 8 | 4);
    store16(at + 6, arp->request ? ARPOP_REQUEST : ARPOP_REPLY);
    memcpy(at + 8, arp->sender_mac, 6);
    store32(at + 14, arp->sender);
    memset(at + 18, 0, 6);
    if (!arp->request)
        memcpy(at + 18, to, 6);
    store32(at + 24, arp->target);
}

bool
arp_read(const uint8_t *frame, uint32_t length, struct arp *arp)
{
    const uint8_t *at = frame + ETHERNET;

    if (length < ARP_FRAME || load16(frame + 12) != ETH_P_ARP || load16(at) != ARPHRD_ETHER ||
        load16(at + 2) != ETH_P_IP || load16(at + 4) != (6 << 8 | 4))
        return false;
    if (load16(at + 6) != ARPOP_REQUEST && load16(at + 6) != ARPOP_REPLY)
        return false;
    arp->request = load16(at + 6) == ARPOP_REQUEST;
    memcpy(arp->sender_mac, at + 8, 6);
    arp->sender = load32(at + 14);
    arp->target = load32(at + 24);
    return true;
}

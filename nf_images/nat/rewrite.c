/* SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite.h"

#include <string.h>

#include "nf/checksum.h"

#define IP_CHECKSUM 10

static uint8_t *
address_at(uint8_t *ip, enum end end)
{
    return ip + (end == END_SOURCE ? 12 : 16);
}

static uint8_t *
port_at(const struct ip_packet *packet, enum end end)
{
    if (packet->protocol == MAPPED_ICMP)
        return packet->transport + 4;
    return packet->transport + (end == END_SOURCE ? 0 : 2);
}

uint32_t
rewrite_address(const struct ip_packet *packet, enum end end)
{
    uint32_t address;

    memcpy(&address, address_at(packet->ip, end), sizeof(address));
    return address;
}

uint16_t
rewrite_port(const struct ip_packet *packet, enum end end)
{
    return onvm_read16(port_at(packet, end));
}

void
rewrite_ip_address(uint8_t *ip, enum end end, uint32_t address)
{
    uint32_t before;
    uint16_t checksum;

    memcpy(&before, address_at(ip, end), sizeof(before));
    memcpy(address_at(ip, end), &address, sizeof(address));
    memcpy(&checksum, ip + IP_CHECKSUM, sizeof(checksum));
    checksum = onvm_checksum_update32(checksum, before, address);
    memcpy(ip + IP_CHECKSUM, &checksum, sizeof(checksum));
}

/* Where the transport checksum lies; NULL where the packet has none or it was cut off. */
static uint8_t *
checksum_at(const struct ip_packet *packet)
{
    static const uint16_t offset[] = {[MAPPED_TCP] = 16, [MAPPED_UDP] = 6, [MAPPED_ICMP] = 2};
    uint8_t *checksum = packet->transport + offset[packet->protocol];

    if (offset[packet->protocol] + 2 > packet->bytes)
        return NULL;
    if (packet->protocol == MAPPED_UDP && checksum[0] == 0 && checksum[1] == 0)
        return NULL;
    return checksum;
}

/* The transport checksum after the change; ICMP covers no addresses. */
static void
update_transport(const struct ip_packet *packet, uint32_t address_before, uint32_t address,
                 uint16_t port_before, uint16_t port)
{
    uint8_t *at = checksum_at(packet);
    uint16_t checksum;

    if (!at)
        return;
    memcpy(&checksum, at, sizeof(checksum));
    checksum = onvm_checksum_update16(checksum, port_before, port);
    if (packet->protocol != MAPPED_ICMP)
        checksum = onvm_checksum_update32(checksum, address_before, address);
    if (packet->protocol == MAPPED_UDP && checksum == 0)
        checksum = 0xffff;
    memcpy(at, &checksum, sizeof(checksum));
}

void
rewrite_end(const struct ip_packet *packet, enum end end, uint32_t address, uint16_t port)
{
    uint32_t address_before = rewrite_address(packet, end);
    uint16_t port_before, port_after;

    memcpy(&port_before, port_at(packet, end), sizeof(port_before));
    onvm_write16(port_at(packet, end), port);
    memcpy(&port_after, port_at(packet, end), sizeof(port_after));
    update_transport(packet, address_before, address, port_before, port_after);
    rewrite_ip_address(packet->ip, end, address);
}

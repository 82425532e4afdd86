/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826), as far as a routed link needs it: who is the next node or router.
 * The port of such a link is the data plane's alone, so no kernel answers for it.
 */
#ifndef ONVM_DATAPLANE_ARP_H
#define ONVM_DATAPLANE_ARP_H

#include <stdbool.h>
#include <stdint.h>

#define ARP_FRAME 42 /* with its Ethernet header */

struct arp {
    bool request; /* else a reply */
    uint8_t sender_mac[6];
    uint32_t sender; /* addresses in host order */
    uint32_t target;
};

/* Writes a request to everybody, or a reply to `to`; ARP_FRAME bytes. */
void arp_write(uint8_t *frame, const struct arp *arp, const uint8_t *to);

/* False: not ARP for IPv4 over Ethernet, or cut off. */
bool arp_read(const uint8_t *frame, uint32_t length, struct arp *arp);

#endif

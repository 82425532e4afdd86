/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826): the NAT is on the wire what its public addresses are to IP. */
#include "nat.h"

#include <string.h>

/* An ARP packet for IPv4 over Ethernet. */
struct arp {
    uint8_t kind[6]; /* hardware and protocol, and the sizes of their addresses */
    uint8_t operation[2];
    struct onvm_mac sender_mac;
    uint8_t sender[4];
    struct onvm_mac target_mac;
    uint8_t target[4];
};

static bool
is_request(const struct frame *frame)
{
    static const uint8_t request[] = {0, 1, 8, 0, 6, 4, 0, 1};

    return frame->headers.l3 + sizeof(struct arp) <= frame->headers.present &&
           memcmp(frame->data + frame->headers.l3, request, sizeof(request)) == 0;
}

static void
answer(struct onvm_ethernet *ethernet, struct arp *arp, const struct onvm_mac *mac)
{
    const struct arp asked = *arp;

    arp->operation[1] = 2;
    arp->sender_mac = *mac;
    memcpy(arp->sender, asked.target, sizeof(arp->sender));
    arp->target_mac = asked.sender_mac;
    memcpy(arp->target, asked.sender, sizeof(arp->target));
    ethernet->destination = ethernet->source;
    ethernet->source = *mac;
}

struct decision
arp_handle(struct nat *nat, struct frame *frame)
{
    struct arp *arp = (struct arp *)(frame->data + frame->headers.l3);
    uint32_t asked, public;

    if (!is_request(frame))
        return DECISION_PASS;
    memcpy(&asked, arp->target, sizeof(asked));
    public = translations_public(&nat->translations, asked);
    if (public == PUBLIC_MAX)
        return DECISION_PASS;
    answer(onvm_ethernet(frame->data), arp, &nat->mac[public]);
    nat->arp_answers++;
    return DECISION_BACK;
}

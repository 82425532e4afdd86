/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826): the NAT is on the wire what its public addresses are to IP. */
#include "nat.h"

#include <string.h>

#define ARP_SIZE 28
#define ARP_REQUEST 1
#define ARP_REPLY 2

/* Offsets of the fields of an ARP packet for IPv4 over Ethernet. */
enum arp_field {
    ARP_OPERATION = 6,
    ARP_SENDER_MAC = 8,
    ARP_SENDER_IP = 14,
    ARP_TARGET_MAC = 18,
    ARP_TARGET_IP = 24,
};

static bool
is_request(const struct frame *frame)
{
    static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4, 0, ARP_REQUEST};

    return frame->headers.l3 + ARP_SIZE <= frame->length &&
           memcmp(frame->data + frame->headers.l3, ethernet_ipv4, sizeof(ethernet_ipv4)) == 0;
}

static void
answer(uint8_t *ethernet, uint8_t *arp, const uint8_t *mac)
{
    uint8_t asked[4];

    memcpy(asked, arp + ARP_TARGET_IP, 4);
    onvm_write16(arp + ARP_OPERATION, ARP_REPLY);
    memcpy(arp + ARP_TARGET_MAC, arp + ARP_SENDER_MAC, 6 + 4);
    memcpy(arp + ARP_SENDER_MAC, mac, 6);
    memcpy(arp + ARP_SENDER_IP, asked, 4);
    memcpy(ethernet, ethernet + 6, 6);
    memcpy(ethernet + 6, mac, 6);
}

struct decision
arp_handle(struct nat *nat, struct frame *frame)
{
    uint8_t *arp = frame->data + frame->headers.l3;
    uint32_t asked, public;

    if (!is_request(frame))
        return DECISION_PASS;
    memcpy(&asked, arp + ARP_TARGET_IP, sizeof(asked));
    public = translations_public(&nat->translations, asked);
    if (public == PUBLIC_MAX)
        return DECISION_PASS;
    answer(frame->data, arp, nat->mac[public]);
    nat->arp_answers++;
    return DECISION_BACK;
}

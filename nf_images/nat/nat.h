/* SPDX-License-Identifier: BSD-3-Clause */
/* The NAT's state, and how its parts hand each other a frame. */
#ifndef ONVM_NAT_NAT_H
#define ONVM_NAT_NAT_H

#include "nf/nf.h"
#include "nf/packet.h"
#include "nf/prefix.h"
#include "rewrite.h"
#include "translation.h"

#define INSIDE_MAX 64u

struct nat {
    struct onvm_prefix inside[INSIDE_MAX];
    uint32_t insides;
    struct onvm_mac mac[PUBLIC_MAX]; /* of each public address */
    struct translations translations;
    uint64_t now;
    uint64_t no_mapping, table_full, unsupported, arp_answers;
};

/* One frame on its way through the NAT. */
struct frame {
    uint8_t *data;
    uint16_t length; /* of all segments */
    struct onvm_headers headers;
};

/* What becomes of a frame. */
struct decision {
    uint8_t verdict;
    uint8_t argument; /* of DROP; of OUT it is the ingress port, which the caller knows */
};

#define DECISION_PASS ((struct decision){ONVM_VERDICT_NEXT, 0})
#define DECISION_BACK ((struct decision){ONVM_VERDICT_OUT, 0})

static inline struct decision
decision_drop(enum onvm_drop_reason reason)
{
    return (struct decision){ONVM_VERDICT_DROP, (uint8_t)reason};
}

/* Answers, in place, an ARP request for a public address; other ARP passes. */
struct decision arp_handle(struct nat *nat, struct frame *frame);

bool icmp_is_error(const uint8_t *icmp);

/* Translates an ICMP error and the packet that it quotes (RFC 5508, section 4). */
struct decision icmp_error_handle(struct nat *nat, struct frame *frame, enum direction direction);

/* Gives the frame the MAC addresses that belong to its new addresses. */
void nat_set_macs(const struct nat *nat, uint8_t *frame, const struct translation *translation,
                  enum direction direction);

#endif

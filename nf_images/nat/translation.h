/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translations: which public address and port stand for an inside host's.
 *
 * Mapping is endpoint-independent (RFC 4787, REQ-1): an inside address, protocol
 * and port have one mapping, whatever they talk to, and whoever sends to its
 * public side reaches it.  An inside address always gets the same public address
 * (REQ-2).  ICMP queries are mapped by their identifier as if it were a port.
 *
 * Time-outs are the mapping's.  A TCP mapping is established while the last
 * packets of both directions carried neither SYN, FIN nor RST (RFC 5382, REQ-5);
 * sessions of one inside port share it.
 */
#ifndef ONVM_NAT_TRANSLATION_H
#define ONVM_NAT_TRANSLATION_H

#include "nf/packet.h"
#include "nf/table.h"
#include "port_pool.h"

#define PUBLIC_MAX 16u /* public addresses */

enum mapped_protocol {
    MAPPED_TCP,
    MAPPED_UDP,
    MAPPED_ICMP,
    MAPPED_PROTOCOLS,
};

enum direction {
    OUTBOUND,
    INBOUND,
};

/* Addresses are in network order, as they stand in the packet; ports in host order. */
struct inside_end {
    uint32_t address;
    uint16_t port;
    uint16_t protocol; /* a mapped_protocol */
};

struct translation {
    struct onvm_table_entry entry;
    struct inside_end inside;
    uint8_t public; /* index of the public address */
    struct onvm_mac mac; /* of the inside host */
    bool steady[2]; /* TCP, by direction: the last packet carried neither SYN, FIN nor RST */
    uint16_t port;  /* public */
    uint64_t last;  /* when it was used */
    uint64_t packets[2], bytes[2];
};

struct timeouts {
    uint64_t udp, tcp_established, tcp_transitory, icmp; /* nanoseconds */
};

struct translations {
    struct onvm_table table;
    struct timeouts timeouts;
    uint32_t publics;
    uint32_t public[PUBLIC_MAX]; /* addresses, network order */
    struct port_pool *pools;     /* by public address and protocol */
    uint32_t *inbound;           /* by public address, protocol and port: place, or none */
};

/* `public`: `publics` addresses.  False: no memory. */
bool translations_open(struct translations *all, uint32_t capacity, const uint32_t *public,
                       uint32_t publics, uint16_t low, uint16_t high);

void translations_close(struct translations *all);

/* Takes over what the new configuration still has room and an address for. */
void translations_migrate(struct translations *all, const struct translations *before);

/* The index of a public address; PUBLIC_MAX where it is none. */
uint32_t translations_public(const struct translations *all, uint32_t address);

/* The mapping of an inside end, or NULL.  An expired one is removed. */
struct translation *translations_outbound(struct translations *all,
                                          const struct inside_end *inside, uint64_t now);

/* The mapping of a public end, or NULL.  An expired one is removed. */
struct translation *translations_inbound(struct translations *all, uint32_t public,
                                         enum mapped_protocol protocol, uint16_t port,
                                         uint64_t now);

/* A new mapping; NULL where the table or the ports of the address are used up. */
struct translation *translations_add(struct translations *all, const struct inside_end *inside,
                                     uint64_t now);

/* Removes expired mappings in the next slice of the table. */
void translations_expire(struct translations *all, uint64_t now);

/* When a mapping ends, if it is not used until then. */
uint64_t translation_end(const struct translations *all, const struct translation *translation);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the flow table knows a flow: a flow key of 44 bytes, or the same in 16.
 *
 * A compact key stands for an IPv4 flow with one VLAN tag at the most, which is
 * most of what there is.  It holds all that the flow key does, so two flows have
 * one compact key only if they are one flow.
 *
 *   word 0   bits 0-31 source address, 32-63 destination address
 *   word 1   bits 0-15 source port, 16-31 destination port, 32-39 protocol,
 *            40-45 port of the node, 46 has_ports, 47 always 1, 48-59 VLAN id
 *
 * Addresses and L4 ports are as the packet has them, in network order.
 */
#ifndef ONVM_DATAPLANE_FLOW_KEY_H
#define ONVM_DATAPLANE_FLOW_KEY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "parse.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bits below, and compact_parse");

struct compact_key {
    uint64_t word[2];
};

#define COMPACT_PORT_SHIFT 40
#define COMPACT_PORT_MASK 0x3f
#define COMPACT_HAS_PORTS (1ull << 46)
#define COMPACT_USED (1ull << 47) /* so that no key is zero */
#define COMPACT_VLAN_SHIFT 48

/* Bytes that compact_parse reads, untagged: Ethernet, IPv4, TCP up to its data offset. */
#define COMPACT_SHORTEST 47

static inline uint64_t
flow_load64(const void *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint32_t
flow_load32(const void *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint16_t
flow_load16(const void *at)
{
    uint16_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline bool
flow_is_compact(const struct flow_key *key)
{
    return key->family == FLOW_IPV4 && key->vlan[1] == 0;
}

/* The key of a flow that flow_is_compact. */
static inline struct compact_key
flow_compact(const struct flow_key *key)
{
    uint64_t ports = htons(key->source_port) | (uint64_t)htons(key->destination_port) << 16;

    return (struct compact_key){{
        flow_load32(key->source) | (uint64_t)flow_load32(key->destination) << 32,
        ports | (uint64_t)key->protocol << 32 |
            (uint64_t)(key->port & COMPACT_PORT_MASK) << COMPACT_PORT_SHIFT |
            (key->has_ports ? COMPACT_HAS_PORTS : 0) | COMPACT_USED |
            (uint64_t)key->vlan[0] << COMPACT_VLAN_SHIFT,
    }};
}

/* The key of the opposite direction, at the same port. */
static inline struct compact_key
compact_reverse(const struct compact_key *key)
{
    uint64_t ends = key->word[0], ports = key->word[1];

    return (struct compact_key){{
        ends >> 32 | ends << 32,
        (ports & ~0xffffffffull) | (ports >> 16 & 0xffff) | (ports & 0xffff) << 16,
    }};
}

/*
 * Whether the transport header agrees with the `room` bytes that IPv4 leaves for it, which
 * may be negative.  Without a branch between TCP and UDP, which take turns in traffic.
 */
static inline bool
compact_transport_fits(const uint8_t *frame, uint8_t protocol, int room)
{
    int tcp = protocol == IPPROTO_TCP;
    int of_tcp = frame[46] >> 2 & 0x3c, of_udp = ntohs(flow_load16(frame + 38));
    int size = of_udp ^ ((of_udp ^ of_tcp) & -tcp), least = 8 + 12 * tcp;

    return (tcp | (protocol == IPPROTO_UDP)) & (size >= least) & (size <= room);
}

/* A VLAN id as compact keys have it; `tci`: the two bytes behind the TPID. */
static inline uint64_t
compact_vlan(const uint8_t *tci)
{
    return (uint64_t)((tci[0] & 0x0f) << 8 | tci[1]) << COMPACT_VLAN_SHIFT;
}

/*
 * Reads the key of an IPv4 packet with one 802.1Q tag at the most, without options, that is no
 * fragment and carries TCP or UDP.  False: it is something else or malformed; frame_parse knows.
 */
static inline bool
compact_parse(const uint8_t *frame, uint32_t length, uint8_t port, struct compact_key *key)
{
    uint64_t known = (uint64_t)port << COMPACT_PORT_SHIFT | COMPACT_HAS_PORTS | COMPACT_USED;
    uint64_t start, middle; /* from the ethertype on, and from the identification on */
    int total;

    if (length < COMPACT_SHORTEST + VLAN_TAG)
        return false;
    start = flow_load64(frame + 12);
    if ((uint16_t)start == 0x0081) {
        known |= compact_vlan(frame + FRAME_HEADER);
        frame += VLAN_TAG;
        length -= VLAN_TAG;
        start = flow_load64(frame + 12);
    }
    middle = flow_load64(frame + 18);
    total = ntohs((uint16_t)(start >> 32));
    if ((((start & 0xffffff) ^ 0x450008) | ((uint32_t)middle & 0xff3f0000)) != 0 ||
        total > (int)length - FRAME_HEADER ||
        !compact_transport_fits(frame, (uint8_t)(middle >> 40), total - 20))
        return false;
    key->word[0] = flow_load64(frame + 26);
    key->word[1] = flow_load32(frame + 34) | (middle >> 8 & 0xff00000000ull) | known;
    return true;
}

#endif

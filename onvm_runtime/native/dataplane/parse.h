/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the bytes of a frame to what rules and the flow table look at.
 *
 * Reads Ethernet, up to two VLAN tags, IPv4, IPv6 with extension headers, TCP,
 * UDP, SCTP, ICMP and ICMPv6.  Of a frame of `length` bytes the first `present` lie
 * at `frame` (all, or those of a packet's first segment), and nothing is read beyond
 * them; a frame whose headers contradict its length, or go on behind what is
 * present, is malformed.  No DPDK in here, so that it can be fuzzed by itself.
 *
 * Conventions of a flow key
 *   - everything that a frame does not have is zero
 *   - an IPv4 address is the first four bytes of its field
 *   - a VLAN id of 0 is no tag, or a tag for priority only
 *   - fragments, the first one too, have no ports (all fragments of a datagram
 *     must look alike); an IPv6 "atomic" fragment (RFC 6946) is none
 *   - ICMP echo has its identifier in both ports
 *   - an ICMP error that quotes a packet has the key of that packet reversed,
 *     for it travels against the flow that it is about
 *   - other frames than IP have their MAC addresses for addresses, and their
 *     ethertype in both ports (0 for 802.3 frames, which have a length there)
 */
#ifndef ONVM_DATAPLANE_PARSE_H
#define ONVM_DATAPLANE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER 14 /* bytes of an Ethernet header */
#define FRAME_MACS 12   /* bytes of its two addresses */
#define VLAN_TAG 4

enum flow_family {
    FLOW_L2 = 0,
    FLOW_IP = 4, /* the bit that both of these have */
    FLOW_IPV4 = 4,
    FLOW_IPV6 = 6,
};

struct flow_key {
    uint8_t source[16];
    uint8_t destination[16];
    uint16_t source_port; /* host order */
    uint16_t destination_port;
    uint16_t vlan[2];  /* outer, inner */
    uint8_t port;      /* of the node, by which the frame came */
    uint8_t family;    /* a flow_family */
    uint8_t protocol;  /* of L4; for a fragment, what its fragment header says */
    uint8_t has_ports; /* 1: the ports above are those of TCP, UDP or SCTP */
};

_Static_assert(sizeof(struct flow_key) == 44, "a flow entry is one cache line");

/* All that a rule can ask for; rules compare it as words. */
struct frame_fields {
    struct flow_key flow;
    uint8_t destination_mac[6];
    uint8_t source_mac[6];
    uint16_t ethertype; /* behind the tags; 0 for 802.3 */
    uint8_t quoted;     /* 1: flow is one that an ICMP error quotes */
    uint8_t unused[5];
} __attribute__((aligned(8)));

_Static_assert(sizeof(struct frame_fields) == 64, "rules compare eight words");

/* Where the headers of a frame lie. */
struct frame_layout {
    uint32_t l3;  /* offset of the network header */
    uint32_t l4;  /* of what follows it and its extensions */
    uint32_t end; /* of the IP packet, without padding */
    uint32_t present; /* of the IP packet: as much of it as may be read */
    uint16_t ethertype;
    uint16_t vlan[2];
    uint8_t family;
    uint8_t protocol;
    bool fragment;
};

/* False: the frame is malformed, or too short for the headers that it announces. */
bool frame_locate(const uint8_t *frame, uint32_t present, uint32_t length,
                  struct frame_layout *layout);

/* As frame_locate, and reads the fields.  `port`: by which the frame came. */
bool frame_parse(const uint8_t *frame, uint32_t present, uint32_t length, uint8_t port,
                 struct frame_fields *fields);

/* Puts a VLAN tag behind the MAC addresses; four bytes must be free there. */
static inline void
frame_write_tag(uint8_t *frame, uint16_t tpid, uint16_t tci)
{
    frame[FRAME_MACS] = (uint8_t)(tpid >> 8);
    frame[FRAME_MACS + 1] = (uint8_t)tpid;
    frame[FRAME_MACS + 2] = (uint8_t)(tci >> 8);
    frame[FRAME_MACS + 3] = (uint8_t)tci;
}

/* The key of the opposite direction, at the same port. */
struct flow_key flow_key_reverse(const struct flow_key *key);

#endif

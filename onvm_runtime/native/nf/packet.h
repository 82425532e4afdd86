/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of a frame: Ethernet with up to two VLAN tags, IPv4, IPv6 with its
 * extension headers, and the start of the transport header.
 *
 * Every length in the packet is checked against what contains it, so that a
 * handler may read all that a parse describes.  Headers lie in a packet's first
 * segment; payload may go on in others.  Numbers are in host order.
 */
#ifndef ONVM_NF_PACKET_H
#define ONVM_NF_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "nf.h"

#define ONVM_ETHERTYPE_IPV4 0x0800
#define ONVM_ETHERTYPE_ARP 0x0806
#define ONVM_ETHERTYPE_IPV6 0x86dd

struct onvm_mac {
    uint8_t byte[6];
};

/* What every frame begins with. */
struct onvm_ethernet {
    struct onvm_mac destination, source;
    uint8_t type[2];
};

static inline struct onvm_ethernet *
onvm_ethernet(uint8_t *frame)
{
    return (struct onvm_ethernet *)frame;
}

enum onvm_protocol {
    ONVM_PROTOCOL_ICMP = 1,
    ONVM_PROTOCOL_TCP = 6,
    ONVM_PROTOCOL_UDP = 17,
    ONVM_PROTOCOL_ICMPV6 = 58,
    ONVM_PROTOCOL_SCTP = 132,
    ONVM_PROTOCOL_UDPLITE = 136,
};

/* Least bytes of the transport headers that the parser knows. */
enum onvm_header_size {
    ONVM_IPV4_SIZE = 20,
    ONVM_IPV6_SIZE = 40,
    ONVM_TCP_SIZE = 20,
    ONVM_UDP_SIZE = 8,
    ONVM_ICMP_SIZE = 8,
    ONVM_ICMPV6_SIZE = 4,
    ONVM_SCTP_SIZE = 12,
};

struct onvm_headers {
    uint16_t ethertype;  /* behind VLAN tags */
    uint16_t l3;         /* offset of the header behind Ethernet and VLAN tags */
    uint16_t l4;         /* offset of the transport header; 0: there is none to read */
    uint16_t end;        /* offset behind the IP packet; Ethernet padding follows */
    uint16_t present;    /* offset behind as much of it as lies in the first segment */
    uint8_t version;     /* 4, 6, or 0 where the frame is not IP */
    uint8_t protocol;    /* of the transport header */
    bool fragment;       /* part of a fragmented packet */
    bool has_ports;      /* the two below are the packet's */
    uint16_t source_port;
    uint16_t destination_port;
};

enum onvm_parse_result {
    ONVM_PARSED,
    ONVM_MALFORMED, /* the headers contradict themselves or the frame's length */
};

/*
 * Parses a frame of `length` bytes of which the first `present`, at least
 * ONVM_FRAME_MIN, lie at `frame`.  A fragment after the first has a protocol, but
 * neither a transport header nor ports.
 */
enum onvm_parse_result onvm_parse(const uint8_t *frame, uint16_t present, uint16_t length,
                                  struct onvm_headers *headers);

/* Parses a packet of a burst. */
static inline enum onvm_parse_result
onvm_packet_parse(const struct onvm_burst *burst, uint32_t i, struct onvm_headers *headers)
{
    return onvm_parse(burst->data[i], burst->descriptor[i].length, onvm_packet_length(burst, i),
                      headers);
}

static inline uint16_t
onvm_read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t
onvm_read32(const uint8_t *bytes)
{
    return (uint32_t)onvm_read16(bytes) << 16 | onvm_read16(bytes + 2);
}

static inline void
onvm_write16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void
onvm_write32(uint8_t *bytes, uint32_t value)
{
    onvm_write16(bytes, (uint16_t)(value >> 16));
    onvm_write16(bytes + 2, (uint16_t)value);
}

#endif

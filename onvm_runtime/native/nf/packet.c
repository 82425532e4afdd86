/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet.h"

#define MAX_EXTENSIONS 16 /* more than any honest packet has */

/* IPv6 extension headers (RFC 8200, section 4) and their like. */
enum extension {
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    AUTHENTICATION = 51,
    DESTINATION_OPTIONS = 60,
    MOBILITY = 135,
    HOST_IDENTITY = 139,
    SHIM6 = 140,
};

static bool
is_vlan(uint16_t ethertype)
{
    return ethertype == 0x8100 || ethertype == 0x88a8;
}

static enum onvm_parse_result
parse_ethernet(const uint8_t *frame, uint16_t present, struct onvm_headers *headers)
{
    headers->ethertype = onvm_read16(frame + 12);
    headers->l3 = 14;
    for (int tags = 0; is_vlan(headers->ethertype) && tags < 2; tags++) {
        if (headers->l3 + 4 > present)
            return ONVM_MALFORMED;
        headers->ethertype = onvm_read16(frame + headers->l3 + 2);
        headers->l3 = (uint16_t)(headers->l3 + 4);
    }
    return ONVM_PARSED;
}

static uint16_t
header_size(uint8_t protocol)
{
    switch (protocol) {
    case ONVM_PROTOCOL_TCP: return ONVM_TCP_SIZE;
    case ONVM_PROTOCOL_UDP:
    case ONVM_PROTOCOL_UDPLITE: return ONVM_UDP_SIZE;
    case ONVM_PROTOCOL_ICMP: return ONVM_ICMP_SIZE;
    case ONVM_PROTOCOL_ICMPV6: return ONVM_ICMPV6_SIZE;
    case ONVM_PROTOCOL_SCTP: return ONVM_SCTP_SIZE;
    default: return 0;
    }
}

static bool
protocol_has_ports(uint8_t protocol)
{
    return protocol == ONVM_PROTOCOL_TCP || protocol == ONVM_PROTOCOL_UDP ||
           protocol == ONVM_PROTOCOL_SCTP || protocol == ONVM_PROTOCOL_UDPLITE;
}

/* The length fields of a transport header at `at` against the bytes that are there. */
static bool
lengths_agree(const uint8_t *header, uint16_t at, const struct onvm_headers *headers)
{
    if (headers->protocol == ONVM_PROTOCOL_TCP) {
        uint16_t offset = (uint16_t)(header[12] >> 4) * 4;

        return offset >= ONVM_TCP_SIZE && (offset <= headers->present - at || headers->fragment);
    }
    if (headers->protocol == ONVM_PROTOCOL_UDP) {
        uint16_t length = onvm_read16(header + 4);

        return length >= ONVM_UDP_SIZE && (length <= headers->end - at || headers->fragment);
    }
    return true;
}

/* Reads the transport header at `at`; a first fragment must hold its fixed part (RFC 1858). */
static enum onvm_parse_result
parse_transport(const uint8_t *frame, uint16_t at, struct onvm_headers *headers)
{
    if (at + header_size(headers->protocol) > headers->present ||
        !lengths_agree(frame + at, at, headers))
        return ONVM_MALFORMED;
    headers->l4 = at;
    if (protocol_has_ports(headers->protocol)) {
        headers->has_ports = true;
        headers->source_port = onvm_read16(frame + at);
        headers->destination_port = onvm_read16(frame + at + 2);
    }
    return ONVM_PARSED;
}

static uint16_t
least(uint16_t one, uint16_t other)
{
    return one < other ? one : other;
}

static enum onvm_parse_result
parse_ipv4(const uint8_t *frame, uint16_t present, uint16_t length, struct onvm_headers *headers)
{
    const uint8_t *header = frame + headers->l3;
    uint16_t left = (uint16_t)(length - headers->l3), size, total, fragment;

    if (headers->l3 + ONVM_IPV4_SIZE > present || header[0] >> 4 != 4)
        return ONVM_MALFORMED;
    size = (uint16_t)(header[0] & 0xf) * 4;
    total = onvm_read16(header + 2);
    if (size < ONVM_IPV4_SIZE || total < size || total > left)
        return ONVM_MALFORMED;
    fragment = onvm_read16(header + 6);
    headers->version = 4;
    headers->protocol = header[9];
    headers->end = (uint16_t)(headers->l3 + total);
    headers->present = least(present, headers->end);
    headers->fragment = (fragment & 0x3fff) != 0;
    if ((fragment & 0x1fff) != 0)
        return ONVM_PARSED;
    return parse_transport(frame, (uint16_t)(headers->l3 + size), headers);
}

static bool
is_extension(uint8_t next)
{
    switch (next) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case AUTHENTICATION:
    case DESTINATION_OPTIONS:
    case MOBILITY:
    case HOST_IDENTITY:
    case SHIM6: return true;
    default: return false;
    }
}

static uint16_t
extension_size(uint8_t kind, const uint8_t *header)
{
    if (kind == FRAGMENT)
        return 8;
    if (kind == AUTHENTICATION)
        return (uint16_t)((header[1] + 2) * 4);
    return (uint16_t)((header[1] + 1) * 8);
}

/*
 * Walks the extension headers from *at on.  Sets *later for a fragment after the
 * first, behind whose fragment header there is nothing that a parser knows.
 */
static enum onvm_parse_result
walk_extensions(const uint8_t *frame, uint16_t *at, bool *later, struct onvm_headers *headers)
{
    for (int count = 0; is_extension(headers->protocol); count++) {
        const uint8_t *header = frame + *at;
        uint16_t size;

        if (count == MAX_EXTENSIONS || *at + 8 > headers->present)
            return ONVM_MALFORMED;
        size = extension_size(headers->protocol, header);
        if (*at + size > headers->present)
            return ONVM_MALFORMED;
        if (headers->protocol == FRAGMENT) {
            headers->fragment = (onvm_read16(header + 2) & 0xfff9) != 0;
            *later = (onvm_read16(header + 2) & 0xfff8) != 0;
        }
        headers->protocol = header[0];
        *at = (uint16_t)(*at + size);
        if (*later)
            break;
    }
    return ONVM_PARSED;
}

static enum onvm_parse_result
parse_ipv6(const uint8_t *frame, uint16_t present, uint16_t length, struct onvm_headers *headers)
{
    const uint8_t *header = frame + headers->l3;
    uint16_t left = (uint16_t)(length - headers->l3);
    uint16_t at = (uint16_t)(headers->l3 + ONVM_IPV6_SIZE);
    bool later = false;

    if (headers->l3 + ONVM_IPV6_SIZE > present || header[0] >> 4 != 6 ||
        onvm_read16(header + 4) > left - ONVM_IPV6_SIZE)
        return ONVM_MALFORMED;
    headers->version = 6;
    headers->protocol = header[6];
    headers->end = (uint16_t)(at + onvm_read16(header + 4));
    headers->present = least(present, headers->end);
    if (walk_extensions(frame, &at, &later, headers) != ONVM_PARSED)
        return ONVM_MALFORMED;
    return later ? ONVM_PARSED : parse_transport(frame, at, headers);
}

enum onvm_parse_result
onvm_parse(const uint8_t *frame, uint16_t present, uint16_t length,
           struct onvm_headers *headers)
{
    memset(headers, 0, sizeof(*headers));
    headers->end = length;
    headers->present = present;
    if (parse_ethernet(frame, present, headers) != ONVM_PARSED)
        return ONVM_MALFORMED;
    if (headers->ethertype == ONVM_ETHERTYPE_IPV4)
        return parse_ipv4(frame, present, length, headers);
    if (headers->ethertype == ONVM_ETHERTYPE_IPV6)
        return parse_ipv6(frame, present, length, headers);
    return ONVM_PARSED;
}

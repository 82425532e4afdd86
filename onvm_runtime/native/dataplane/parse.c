/* SPDX-License-Identifier: BSD-3-Clause */
#include "parse.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "bytes.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define ICMP_HEADER 8
#define MAX_EXTENSIONS 8 /* headers; a frame with more is taken for an attack */

/* Whether the fixed part of the L4 header is there, and agrees with the packet's end. */
static bool
transport_fits(const uint8_t *frame, const struct frame_layout *layout)
{
    uint32_t room = layout->present - layout->l4;
    const uint8_t *l4 = frame + layout->l4;

    switch (layout->protocol) {
    case IPPROTO_TCP:
        return room >= 20 && (l4[12] >> 4) >= 5 && (l4[12] >> 4) * 4u <= room;
    case IPPROTO_UDP:
        return room >= 8 && load16(l4 + 4) >= 8 && load16(l4 + 4) <= layout->end - layout->l4;
    case IPPROTO_SCTP:
        return room >= 12;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return room >= ICMP_HEADER;
    default:
        return true;
    }
}

static inline uint32_t
least(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

/* Ends the IP packet after `total` bytes, or with the frame. */
static inline void
set_end(struct frame_layout *layout, uint32_t total, uint32_t present, uint32_t length)
{
    layout->end = least(layout->l3 + total, length);
    layout->present = least(layout->end, present);
}

/* A quoted packet (of an ICMP error) may end before its own length says. */
static bool
ipv4_locate(const uint8_t *frame, uint32_t present, uint32_t length, bool quote,
            struct frame_layout *layout)
{
    const uint8_t *ip = frame + layout->l3;
    uint32_t room = length - layout->l3, header, total, offset;

    if (layout->l3 + IPV4_HEADER > present || ip[0] >> 4 != 4)
        return false;
    header = (ip[0] & 15) * 4u;
    total = load16(ip + 2);
    if (header < IPV4_HEADER || header > total || layout->l3 + header > present ||
        (total > room && !quote))
        return false;
    offset = load16(ip + 6) & 0x3fff; /* and the flag that more fragments follow */
    layout->family = FLOW_IPV4;
    layout->protocol = ip[9];
    layout->fragment = offset != 0;
    layout->l4 = layout->l3 + header;
    set_end(layout, total, present, length);
    return true;
}

/* Bytes of an extension header; 0: `protocol` is none. */
static uint32_t
extension_size(uint8_t protocol, const uint8_t *at)
{
    switch (protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_MH:
        return (at[1] + 1u) * 8;
    case IPPROTO_FRAGMENT:
        return 8;
    case IPPROTO_AH:
        return (at[1] + 2u) * 4;
    default:
        return 0;
    }
}

static bool
is_extension(uint8_t protocol)
{
    return extension_size(protocol, (const uint8_t[2]){0}) != 0;
}

/* Walks to the L4 header, or to the fragment header of a real fragment. */
static bool
extensions_skip(const uint8_t *frame, struct frame_layout *layout)
{
    for (unsigned seen = 0; is_extension(layout->protocol); seen++) {
        const uint8_t *at = frame + layout->l4;
        uint32_t room = layout->present - layout->l4, size;
        uint8_t protocol = layout->protocol;

        if (seen == MAX_EXTENSIONS || room < 8)
            return false;
        size = extension_size(protocol, at);
        if (size > room)
            return false;
        layout->protocol = at[0];
        layout->l4 += size;
        if (protocol == IPPROTO_FRAGMENT && (load16(at + 2) & 0xfff9) != 0) {
            layout->fragment = true;
            return true;
        }
    }
    return true;
}

static bool
ipv6_locate(const uint8_t *frame, uint32_t present, uint32_t length, bool quote,
            struct frame_layout *layout)
{
    const uint8_t *ip = frame + layout->l3;
    uint32_t room = length - layout->l3, total;

    if (layout->l3 + IPV6_HEADER > present || ip[0] >> 4 != 6)
        return false;
    total = IPV6_HEADER + load16(ip + 4);
    if (total > room && !quote)
        return false;
    layout->family = FLOW_IPV6;
    layout->protocol = ip[6];
    layout->l4 = layout->l3 + IPV6_HEADER;
    set_end(layout, total, present, length);
    return extensions_skip(frame, layout);
}

static inline bool
is_vlan(uint16_t ethertype)
{
    return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

static bool
ethernet_locate(const uint8_t *frame, uint32_t present, struct frame_layout *layout)
{
    if (present < FRAME_HEADER)
        return false;
    layout->ethertype = load16(frame + FRAME_MACS);
    layout->l3 = FRAME_HEADER;
    for (unsigned tag = 0; tag < 2 && is_vlan(layout->ethertype); tag++) {
        if (present < layout->l3 + VLAN_TAG)
            return false;
        layout->vlan[tag] = load16(frame + layout->l3) & 0xfff;
        layout->ethertype = load16(frame + layout->l3 + 2);
        layout->l3 += VLAN_TAG;
    }
    if (layout->ethertype < ETH_P_802_3_MIN)
        layout->ethertype = 0;
    return true;
}

static inline bool
locate(const uint8_t *frame, uint32_t present, uint32_t length, struct frame_layout *layout)
{
    bool located;

    *layout = (struct frame_layout){0};
    if (!ethernet_locate(frame, present, layout))
        return false;
    if (layout->ethertype == ETH_P_IP) {
        located = ipv4_locate(frame, present, length, false, layout);
    } else if (layout->ethertype == ETH_P_IPV6) {
        located = ipv6_locate(frame, present, length, false, layout);
    } else {
        layout->l4 = layout->end = length;
        layout->present = present;
        return true;
    }
    return located && (layout->fragment || transport_fits(frame, layout));
}

bool
frame_locate(const uint8_t *frame, uint32_t present, uint32_t length, struct frame_layout *layout)
{
    return locate(frame, present, length, layout);
}

static void
read_addresses(const uint8_t *frame, const struct frame_layout *layout, struct flow_key *key)
{
    const uint8_t *ip = frame + layout->l3;

    key->family = layout->family;
    key->protocol = layout->protocol;
    if (layout->family == FLOW_IPV4) {
        memcpy(key->source, ip + 12, 4);
        memcpy(key->destination, ip + 16, 4);
    } else {
        memcpy(key->source, ip + 8, 16);
        memcpy(key->destination, ip + 24, 16);
    }
}

static bool
is_echo(uint8_t protocol, uint8_t type)
{
    if (protocol == IPPROTO_ICMP)
        return type == 8 || type == 0;
    return protocol == IPPROTO_ICMPV6 && (type == 128 || type == 129);
}

/* Errors quote the packet that they are about (RFC 792, RFC 4443). */
static bool
is_error(uint8_t protocol, uint8_t type)
{
    if (protocol == IPPROTO_ICMP)
        return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    return protocol == IPPROTO_ICMPV6 && type >= 1 && type <= 4;
}

/* Ports or an echo's identifier, as far as the packet has eight bytes of L4. */
static void
read_ports(const uint8_t *frame, const struct frame_layout *layout, struct flow_key *key)
{
    const uint8_t *l4 = frame + layout->l4;

    if (layout->fragment || layout->present < layout->l4 + 8)
        return;
    switch (layout->protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        key->source_port = load16(l4);
        key->destination_port = load16(l4 + 2);
        key->has_ports = 1;
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (is_echo(layout->protocol, l4[0]))
            key->source_port = key->destination_port = load16(l4 + 4);
        break;
    }
}

/* The packet that the ICMP message at outer->l4 quotes; false: it is not a good one. */
static bool
quote_locate(const uint8_t *frame, const struct frame_layout *outer, struct frame_layout *quote)
{
    *quote = (struct frame_layout){.l3 = outer->l4 + ICMP_HEADER};
    if (outer->family == FLOW_IPV4)
        return ipv4_locate(frame, outer->present, outer->present, true, quote);
    return ipv6_locate(frame, outer->present, outer->present, true, quote);
}

/* Whether the frame is an ICMP error with a quote, whose reversed key is then in `key`. */
static bool
read_quote(const uint8_t *frame, const struct frame_layout *layout, struct flow_key *key)
{
    struct flow_key quoted = *key;
    struct frame_layout quote;

    if (layout->fragment || !is_error(layout->protocol, frame[layout->l4]) ||
        !quote_locate(frame, layout, &quote))
        return false;
    read_addresses(frame, &quote, &quoted);
    read_ports(frame, &quote, &quoted);
    *key = flow_key_reverse(&quoted);
    return true;
}

static bool
is_icmp(const struct frame_layout *layout)
{
    return layout->protocol == IPPROTO_ICMP || layout->protocol == IPPROTO_ICMPV6;
}

static void
read_flow(const uint8_t *frame, const struct frame_layout *layout, struct frame_fields *fields)
{
    struct flow_key *key = &fields->flow;

    if (layout->family == FLOW_L2) {
        memcpy(key->source, fields->source_mac, 6);
        memcpy(key->destination, fields->destination_mac, 6);
        key->source_port = key->destination_port = layout->ethertype;
        return;
    }
    if (is_icmp(layout) && read_quote(frame, layout, key)) {
        fields->quoted = 1;
        return;
    }
    read_addresses(frame, layout, key);
    read_ports(frame, layout, key);
}

bool
frame_parse(const uint8_t *frame, uint32_t present, uint32_t length, uint8_t port,
            struct frame_fields *fields)
{
    struct frame_layout layout;

    if (!locate(frame, present, length, &layout))
        return false;
    *fields = (struct frame_fields){.flow.port = port, .ethertype = layout.ethertype};
    memcpy(fields->destination_mac, frame, FRAME_MACS);
    memcpy(fields->flow.vlan, layout.vlan, sizeof(layout.vlan));
    read_flow(frame, &layout, fields);
    return true;
}

struct flow_key
flow_key_reverse(const struct flow_key *key)
{
    struct flow_key reverse = *key;

    memcpy(reverse.source, key->destination, sizeof(reverse.source));
    memcpy(reverse.destination, key->source, sizeof(reverse.destination));
    reverse.source_port = key->destination_port;
    reverse.destination_port = key->source_port;
    return reverse;
}

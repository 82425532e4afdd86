/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "nat.h"
#include "nf/checksum.h"

#define QUOTED_TRANSPORT 8 /* bytes of it that every error quotes (RFC 792) */

enum icmp_type {
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,
};

bool
icmp_is_error(const uint8_t *icmp)
{
    return icmp[0] == ICMP_UNREACHABLE || icmp[0] == ICMP_SOURCE_QUENCH ||
           icmp[0] == ICMP_TIME_EXCEEDED || icmp[0] == ICMP_PARAMETER_PROBLEM;
}

static bool
mapped_protocol_of(const struct ip_packet *packet, enum mapped_protocol *protocol)
{
    switch (packet->ip[9]) {
    case ONVM_PROTOCOL_TCP: *protocol = MAPPED_TCP; return true;
    case ONVM_PROTOCOL_UDP: *protocol = MAPPED_UDP; return true;
    case ONVM_PROTOCOL_ICMP:
        *protocol = MAPPED_ICMP;
        return packet->transport[0] == 0 || packet->transport[0] == 8; /* echo */
    default: return false;
    }
}

/*
 * Finds the packet that an error quotes.  Its total length says how long it was,
 * not how much of it is here, so it is checked against the quoting packet only.
 */
static enum onvm_drop_reason
parse_quoted(const struct frame *frame, struct ip_packet *quoted)
{
    uint16_t start = (uint16_t)(frame->headers.l4 + ONVM_ICMP_SIZE);
    uint16_t left = (uint16_t)(frame->headers.end - start), size;

    quoted->ip = frame->data + start;
    if (left < ONVM_IPV4_SIZE || quoted->ip[0] >> 4 != 4)
        return ONVM_DROP_nf_malformed;
    size = (uint16_t)(quoted->ip[0] & 0xf) * 4;
    if (size < ONVM_IPV4_SIZE || left < size + QUOTED_TRANSPORT)
        return ONVM_DROP_nf_malformed;
    quoted->transport = quoted->ip + size;
    quoted->bytes = (uint16_t)(left - size);
    if ((onvm_read16(quoted->ip + 6) & 0x1fff) != 0 ||
        !mapped_protocol_of(quoted, &quoted->protocol))
        return ONVM_DROP_nf_unsupported;
    return ONVM_DROP_REASON_COUNT;
}

static bool
checksum_is_right(const struct frame *frame)
{
    const uint8_t *icmp = frame->data + frame->headers.l4;

    return onvm_checksum(icmp, frame->headers.end - frame->headers.l4) == 0;
}

static void
finish_checksum(const struct frame *frame)
{
    uint8_t *icmp = frame->data + frame->headers.l4;
    uint16_t checksum = 0;

    memcpy(icmp + 2, &checksum, sizeof(checksum));
    checksum = onvm_checksum(icmp, frame->headers.end - frame->headers.l4);
    memcpy(icmp + 2, &checksum, sizeof(checksum));
}

/* The mapping of the flow that an inbound error is about: we sent the quoted packet. */
static struct translation *
find_inbound(struct nat *nat, const struct ip_packet *quoted)
{
    uint32_t public =
        translations_public(&nat->translations, rewrite_address(quoted, END_SOURCE));

    if (public == PUBLIC_MAX)
        return NULL;
    return translations_inbound(&nat->translations, public, quoted->protocol,
                                rewrite_port(quoted, END_SOURCE), nat->now);
}

/* The mapping of the flow that an outbound error is about: we delivered the quoted packet. */
static struct translation *
find_outbound(struct nat *nat, const struct ip_packet *quoted)
{
    const struct inside_end inside = {
        .address = rewrite_address(quoted, END_DESTINATION),
        .port = rewrite_port(quoted, END_DESTINATION),
        .protocol = quoted->protocol,
    };

    return translations_outbound(&nat->translations, &inside, nat->now);
}

static void
translate_inbound(struct frame *frame, const struct ip_packet *quoted,
                  const struct translation *translation)
{
    const struct inside_end *inside = &translation->inside;

    rewrite_end(quoted, END_SOURCE, inside->address, inside->port);
    rewrite_ip_address(frame->data + frame->headers.l3, END_DESTINATION, inside->address);
}

static void
translate_outbound(const struct nat *nat, struct frame *frame, const struct ip_packet *quoted,
                   const struct translation *translation)
{
    uint32_t public = nat->translations.public[translation->public];

    rewrite_end(quoted, END_DESTINATION, public, translation->port);
    rewrite_ip_address(frame->data + frame->headers.l3, END_SOURCE, public);
}

struct decision
icmp_error_handle(struct nat *nat, struct frame *frame, enum direction direction)
{
    struct translation *translation;
    struct ip_packet quoted;
    enum onvm_drop_reason reason;

    if (frame->headers.present < frame->headers.end) /* no error is that long (RFC 1812, 4.3.2.3) */
        return decision_drop(ONVM_DROP_nf_unsupported);
    reason = parse_quoted(frame, &quoted);
    if (reason != ONVM_DROP_REASON_COUNT)
        return decision_drop(reason);
    if (!checksum_is_right(frame))
        return decision_drop(ONVM_DROP_nf_malformed);
    translation = direction == INBOUND ? find_inbound(nat, &quoted) : find_outbound(nat, &quoted);
    if (!translation)
        return decision_drop(ONVM_DROP_nf_no_mapping);
    if (direction == INBOUND)
        translate_inbound(frame, &quoted, translation);
    else
        translate_outbound(nat, frame, &quoted, translation);
    finish_checksum(frame);
    nat_set_macs(nat, frame->data, translation, direction);
    return DECISION_PASS;
}

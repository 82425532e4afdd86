/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat: many inside hosts behind few public IPv4 addresses (NAPT).
 *
 * A bump in the wire: hosts on both sides share one Ethernet segment, so the NAT
 * also stands for its public addresses in ARP and in the frames' MAC addresses.
 */
#include "nat.h"

#include <string.h>

#include "configuration.h"
#include "report.h"

#define TIMER_INTERVAL 100000000 /* nanoseconds */
#define TCP_SYN_FIN_RST 0x07

static bool
is_inside(const struct nat *nat, const uint8_t *address)
{
    for (uint32_t i = 0; i < nat->insides; i++)
        if (onvm_prefix_holds(&nat->inside[i], address))
            return true;
    return false;
}

void
nat_set_macs(const struct nat *nat, uint8_t *frame, const struct translation *translation,
             enum direction direction)
{
    if (direction == OUTBOUND)
        onvm_ethernet(frame)->source = nat->mac[translation->public];
    else
        onvm_ethernet(frame)->destination = translation->mac;
}

static void
note_use(struct nat *nat, struct translation *translation, const struct ip_packet *packet,
         enum direction direction, uint16_t length)
{
    translation->last = nat->now;
    translation->packets[direction]++;
    translation->bytes[direction] += length;
    if (packet->protocol == MAPPED_TCP)
        translation->steady[direction] = (packet->transport[13] & TCP_SYN_FIN_RST) == 0;
}

/* The mapping of an outbound packet, made where there is none. */
static struct translation *
find_or_add(struct nat *nat, const struct ip_packet *packet)
{
    const struct inside_end inside = {
        .address = rewrite_address(packet, END_SOURCE),
        .port = rewrite_port(packet, END_SOURCE),
        .protocol = packet->protocol,
    };
    struct translation *translation =
        translations_outbound(&nat->translations, &inside, nat->now);

    return translation ? translation : translations_add(&nat->translations, &inside, nat->now);
}

static struct decision
translate_inbound(struct nat *nat, struct frame *frame, const struct ip_packet *packet,
                  uint32_t public)
{
    struct translation *translation =
        translations_inbound(&nat->translations, public, packet->protocol,
                             rewrite_port(packet, END_DESTINATION), nat->now);

    if (!translation)
        return decision_drop(ONVM_DROP_nf_no_mapping);
    note_use(nat, translation, packet, INBOUND, frame->length);
    rewrite_end(packet, END_DESTINATION, translation->inside.address, translation->inside.port);
    nat_set_macs(nat, frame->data, translation, INBOUND);
    return DECISION_PASS;
}

/*
 * An inside host that speaks to a public address is sent back inside (RFC 4787,
 * REQ-9).  An ICMP query names no mapping there: its identifier is its sender's.
 */
static struct decision
turn_hairpin(struct nat *nat, struct frame *frame, const struct ip_packet *packet)
{
    uint32_t public =
        translations_public(&nat->translations, rewrite_address(packet, END_DESTINATION));
    struct decision decision;

    if (public == PUBLIC_MAX)
        return DECISION_PASS;
    if (packet->protocol == MAPPED_ICMP)
        return decision_drop(ONVM_DROP_nf_no_mapping);
    decision = translate_inbound(nat, frame, packet, public);
    return decision.verdict == ONVM_VERDICT_NEXT ? DECISION_BACK : decision;
}

static struct decision
translate_outbound(struct nat *nat, struct frame *frame, const struct ip_packet *packet)
{
    struct translation *translation = find_or_add(nat, packet);

    if (!translation)
        return decision_drop(ONVM_DROP_nf_table_full);
    translation->mac = onvm_ethernet(frame->data)->source;
    note_use(nat, translation, packet, OUTBOUND, frame->length);
    rewrite_end(packet, END_SOURCE, nat->translations.public[translation->public],
                translation->port);
    nat_set_macs(nat, frame->data, translation, OUTBOUND);
    return turn_hairpin(nat, frame, packet);
}

/* Describes a packet that can be translated; false where it cannot. */
static bool
describe_packet(const struct frame *frame, enum direction direction, struct ip_packet *packet)
{
    const struct onvm_headers *headers = &frame->headers;
    uint8_t echo = direction == OUTBOUND ? 8 : 0;

    packet->ip = frame->data + headers->l3;
    packet->transport = frame->data + headers->l4;
    packet->bytes = (uint16_t)(headers->present - headers->l4);
    switch (headers->protocol) {
    case ONVM_PROTOCOL_TCP: packet->protocol = MAPPED_TCP; return true;
    case ONVM_PROTOCOL_UDP: packet->protocol = MAPPED_UDP; return true;
    case ONVM_PROTOCOL_ICMP:
        packet->protocol = MAPPED_ICMP;
        return packet->transport[0] == echo;
    default: return false;
    }
}

static struct decision
translate(struct nat *nat, struct frame *frame, enum direction direction, uint32_t public)
{
    const struct onvm_headers *headers = &frame->headers;
    struct ip_packet packet;

    if (headers->fragment || headers->l4 == 0)
        return decision_drop(ONVM_DROP_nf_unsupported);
    if (headers->protocol == ONVM_PROTOCOL_ICMP && icmp_is_error(frame->data + headers->l4))
        return icmp_error_handle(nat, frame, direction);
    if (!describe_packet(frame, direction, &packet))
        return decision_drop(direction == INBOUND && headers->protocol == ONVM_PROTOCOL_ICMP
                                 ? ONVM_DROP_nf_no_mapping
                                 : ONVM_DROP_nf_unsupported);
    return direction == OUTBOUND ? translate_outbound(nat, frame, &packet)
                                 : translate_inbound(nat, frame, &packet, public);
}

static struct decision
handle_ipv4(struct nat *nat, struct frame *frame)
{
    const uint8_t *ip = frame->data + frame->headers.l3;
    uint32_t destination, public;

    if (is_inside(nat, ip + 12))
        return translate(nat, frame, OUTBOUND, PUBLIC_MAX);
    memcpy(&destination, ip + 16, sizeof(destination));
    public = translations_public(&nat->translations, destination);
    return public == PUBLIC_MAX ? DECISION_PASS : translate(nat, frame, INBOUND, public);
}

static struct decision
decide(struct nat *nat, struct frame *frame)
{
    if (frame->headers.version == 4)
        return handle_ipv4(nat, frame);
    if (frame->headers.ethertype == ONVM_ETHERTYPE_ARP)
        return arp_handle(nat, frame);
    return DECISION_PASS;
}

static void
count(struct nat *nat, struct decision decision)
{
    if (decision.verdict != ONVM_VERDICT_DROP)
        return;
    nat->no_mapping += decision.argument == ONVM_DROP_nf_no_mapping;
    nat->table_full += decision.argument == ONVM_DROP_nf_table_full;
    nat->unsupported += decision.argument == ONVM_DROP_nf_unsupported;
}

static void
handle(struct onvm_burst *burst, void *state)
{
    struct nat *nat = state;

    nat->now = burst->now;
    for (uint32_t i = 0; i < burst->count; i++) {
        struct frame frame = {.data = burst->data[i], .length = onvm_packet_length(burst, i)};
        struct decision decision = decision_drop(ONVM_DROP_nf_malformed);

        if (onvm_packet_parse(burst, i, &frame.headers) == ONVM_PARSED)
            decision = decide(nat, &frame);

        count(nat, decision);
        burst->verdict[i] = decision.verdict;
        burst->argument[i] = decision.verdict == ONVM_VERDICT_OUT
                                 ? (uint8_t)onvm_packet_port(burst, i)
                                 : decision.argument;
    }
}

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    return configuration_apply(state, configuration, failure);
}

static json_t *
query(void *state, json_t *request, struct onvm_failure *failure)
{
    return report_answer(state, request, failure);
}

static void
expire(void *state, uint64_t now)
{
    struct nat *nat = state;

    nat->now = now;
    if (nat->translations.table.capacity > 0)
        translations_expire(&nat->translations, now);
}

static void
stop(void *state)
{
    translations_close(&((struct nat *)state)->translations);
}

ONVM_NF(nat, "translates inside addresses and ports to public ones",
        .state_size = sizeof(struct nat),
        .configure = configure,
        .handler = handle,
        .query = query,
        .timer = expire,
        .timer_interval = TIMER_INTERVAL,
        .stop = stop);

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules and flows by chance, of the kind that access lists are made of: prefixes of
 * usual lengths, a protocol, ports alone or in ranges.  Flows are near the rules.
 */
#ifndef TESTS_NATIVE_RANDOM_RULES_H
#define TESTS_NATIVE_RANDOM_RULES_H

#include <netinet/in.h>
#include <stdlib.h>

#include "../check.h"
#include "dataplane/rules.h"

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003); below `limit`. */
static inline uint32_t
random_below(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * limit >> 32);
}

/* An address of 198.18.0.0/15, by `variety` of them. */
static inline uint32_t
random_address(uint64_t *state, uint32_t variety)
{
    return htonl(0xc6120000u | (random_below(state, variety) * 2654435761u >> 15 & 0x1ffff));
}

static inline void
random_prefix(struct rule *rule, size_t offset, uint64_t *state, uint32_t variety)
{
    static const uint8_t lengths[] = {0, 0, 15, 16, 20, 22, 24, 24, 28, 32, 32, 32};
    uint32_t length = lengths[random_below(state, sizeof(lengths))];
    uint32_t mask = length == 0 ? 0 : htonl(UINT32_MAX << (32 - length));
    uint32_t address = random_address(state, variety) & mask;

    rule_require(rule, offset, &address, &mask, sizeof(mask));
}

static inline void
random_ports(struct rule *rule, struct port_range *range, uint64_t *state)
{
    uint16_t low = (uint16_t)random_below(state, 64);

    switch (random_below(state, 4)) {
    case 0:
        *range = (struct port_range){low, low};
        break;
    case 1:
        *range = (struct port_range){low, (uint16_t)(low + random_below(state, 64))};
        break;
    default:
        return;
    }
    rule_require(rule, offsetof(struct frame_fields, flow.has_ports), &(uint8_t){1},
                 &(uint8_t){1}, 1);
}

static inline struct rule
random_rule(uint64_t *state, uint32_t number, uint32_t variety)
{
    struct rule rule = rule_any((uint16_t)(1 + number % (ONVM_MAX_CHAINS - 1)),
                                (int32_t)random_below(state, 16), number);
    uint8_t family = FLOW_IPV4, port = (uint8_t)random_below(state, 2);
    uint8_t protocol = random_below(state, 2) ? IPPROTO_TCP : IPPROTO_UDP, all = 0xff;

    rule_require(&rule, offsetof(struct frame_fields, flow.family), &family, &all, 1);
    random_prefix(&rule, offsetof(struct frame_fields, flow.source), state, variety);
    random_prefix(&rule, offsetof(struct frame_fields, flow.destination), state, variety);
    random_ports(&rule, &rule.source_ports, state);
    random_ports(&rule, &rule.destination_ports, state);
    if (random_below(state, 2))
        rule_require(&rule, offsetof(struct frame_fields, flow.protocol), &protocol, &all, 1);
    if (random_below(state, 4) == 0)
        rule_require(&rule, offsetof(struct frame_fields, flow.port), &port, &all, 1);
    return rule;
}

static inline struct frame_fields
random_flow(uint64_t *state, uint32_t variety)
{
    struct frame_fields fields = {
        .flow.family = FLOW_IPV4,
        .flow.protocol = random_below(state, 2) ? IPPROTO_TCP : IPPROTO_UDP,
        .flow.port = (uint8_t)random_below(state, 2),
        .flow.has_ports = random_below(state, 16) != 0,
    };
    uint32_t ends[2] = {random_address(state, variety), random_address(state, variety)};

    memcpy(fields.flow.source, &ends[0], 4);
    memcpy(fields.flow.destination, &ends[1], 4);
    if (fields.flow.has_ports) {
        fields.flow.source_port = (uint16_t)random_below(state, 128);
        fields.flow.destination_port = (uint16_t)random_below(state, 128);
    }
    return fields;
}

/* `count` rules, not indexed yet; ruleset_free frees them. */
static inline struct ruleset *
random_ruleset(uint64_t *state, uint32_t count, uint32_t variety)
{
    struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

    REQUIRE(ruleset != NULL, "memory");
    ruleset->rule = calloc(count + 1, sizeof(struct rule));
    REQUIRE(ruleset->rule != NULL, "memory");
    for (; ruleset->count < count; ruleset->count++)
        ruleset->rule[ruleset->count] = random_rule(state, ruleset->count, variety);
    return ruleset;
}

#endif

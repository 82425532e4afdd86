/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"

#include <stdlib.h>
#include <string.h>

struct rule
rule_any(uint16_t chain, int32_t priority, uint32_t order)
{
    return (struct rule){
        .source_ports = {0, UINT16_MAX},
        .destination_ports = {0, UINT16_MAX},
        .priority = priority,
        .order = order,
        .chain = chain,
    };
}

bool
rule_require(struct rule *rule, size_t offset, const void *value, const void *mask, size_t size)
{
    uint8_t *masks = (uint8_t *)rule->mask + offset, *values = (uint8_t *)rule->value + offset;
    const uint8_t *wanted = value, *bits = mask;

    for (size_t i = 0; i < size; i++) {
        if (((values[i] ^ wanted[i]) & masks[i] & bits[i]) != 0)
            return false;
        masks[i] |= bits[i];
        values[i] |= wanted[i] & bits[i];
    }
    return true;
}

static int
rule_compare(const void *left, const void *right)
{
    const struct rule *a = left, *b = right;

    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void
rules_sort(struct ruleset *ruleset)
{
    if (ruleset->count > 1)
        qsort(ruleset->rule, ruleset->count, sizeof(struct rule), rule_compare);
}

static inline bool
in_range(struct port_range range, uint16_t port)
{
    return port >= range.low && port <= range.high;
}

static inline bool
rule_matches(const struct rule *rule, const uint64_t *words, const struct flow_key *flow)
{
    uint64_t difference = 0;

    for (unsigned i = 0; i < RULE_WORDS; i++)
        difference |= (words[i] & rule->mask[i]) ^ rule->value[i];
    return difference == 0 && in_range(rule->source_ports, flow->source_port) &&
           in_range(rule->destination_ports, flow->destination_port);
}

uint16_t
rules_lookup(const struct ruleset *ruleset, const struct frame_fields *fields)
{
    uint64_t words[RULE_WORDS];

    memcpy(words, fields, sizeof(words));
    for (uint32_t i = 0; i < ruleset->count; i++)
        if (rule_matches(&ruleset->rule[i], words, &fields->flow))
            return ruleset->rule[i].chain;
    return ruleset->default_chain;
}

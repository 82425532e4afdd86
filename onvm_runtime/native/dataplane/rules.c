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
compare_priority(const void *left, const void *right)
{
    const struct rule *a = left, *b = right;

    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* By mask, and of one mask the less important first: so they are put into their slots. */
static int
compare_mask(const void *left, const void *right)
{
    const struct rule *a = *(const struct rule *const *)left;
    const struct rule *b = *(const struct rule *const *)right;
    int masks = memcmp(a->mask, b->mask, sizeof(a->mask));

    return masks != 0 ? masks : (a < b) - (a > b);
}

static int
compare_best(const void *left, const void *right)
{
    const struct rule_group *a = left, *b = right;

    return (a->best > b->best) - (a->best < b->best);
}

/* A range of one port is a value like any other. */
static void
fold_range(struct rule *rule, const struct port_range *range, size_t offset)
{
    static const uint16_t all = 0xffff;

    if (range->low == range->high)
        rule_require(rule, offset, &range->low, &all, sizeof(all));
}

static void
fold_ranges(struct rule *rule)
{
    fold_range(rule, &rule->source_ports, offsetof(struct frame_fields, flow.source_port));
    fold_range(rule, &rule->destination_ports,
               offsetof(struct frame_fields, flow.destination_port));
}

static inline uint32_t
hash_fields(const struct rule_group *group, const uint64_t *words)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i < group->words; i++) {
        unsigned word = group->word[i];

        hash = (hash ^ (words[word] & group->mask[word])) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 32;
    }
    return (uint32_t)hash & (group->slots - 1);
}

static void
group_begin(struct rule_group *group, const struct rule *rule, uint32_t rules, uint32_t *slots)
{
    memcpy(group->mask, rule->mask, sizeof(group->mask));
    group->slot = slots;
    group->slots = 1;
    while (group->slots < rules * 2)
        group->slots *= 2;
    for (uint8_t word = 0; word < RULE_WORDS; word++)
        if (rule->mask[word] != 0)
            group->word[group->words++] = word;
    memset(slots, 0xff, group->slots * sizeof(*slots));
}

static void
group_put(struct rule_group *group, struct rule *rule, uint32_t number)
{
    uint32_t *slot = &group->slot[hash_fields(group, rule->value)];

    rule->next = *slot;
    *slot = number;
    group->best = number;
}

/* How many of the rules, sorted by mask, have the mask of the first. */
static uint32_t
run_length(struct rule *const *sorted, uint32_t count)
{
    uint32_t length = 1;

    while (length < count &&
           memcmp(sorted[0]->mask, sorted[length]->mask, sizeof(sorted[0]->mask)) == 0)
        length++;
    return length;
}

static void
make_groups(struct ruleset *ruleset, struct rule **sorted)
{
    uint32_t *slots = ruleset->slots;

    for (uint32_t at = 0, length; at < ruleset->count; at += length) {
        struct rule_group *group = &ruleset->group[ruleset->groups++];

        length = run_length(sorted + at, ruleset->count - at);
        group_begin(group, sorted[at], length, slots);
        slots += group->slots;
        for (uint32_t i = at; i < at + length; i++)
            group_put(group, sorted[i], (uint32_t)(sorted[i] - ruleset->rule));
    }
    qsort(ruleset->group, ruleset->groups, sizeof(ruleset->group[0]), compare_best);
}

static bool
asks_only_for_port(const struct rule *rule)
{
    struct rule port = rule_any(0, 0, 0);
    uint64_t more = 0;

    rule_require(&port, offsetof(struct frame_fields, flow.port), &(uint8_t){0},
                 &(uint8_t){0xff}, 1);
    for (unsigned i = 0; i < RULE_WORDS; i++)
        more |= rule->mask[i] & ~port.mask[i];
    return more == 0;
}

/* Whether some frame of the port could match. */
static bool
concerns_port(const struct rule *rule, uint8_t port)
{
    const struct frame_fields *mask = (const void *)rule->mask, *value = (const void *)rule->value;

    return ((port ^ value->flow.port) & mask->flow.port) == 0;
}

/* The rules that no frame decides: the first that concerns the port takes all of them. */
static uint16_t
decide_port(const struct ruleset *ruleset, uint8_t port)
{
    for (uint32_t i = 0; i < ruleset->count; i++)
        if (concerns_port(&ruleset->rule[i], port))
            return asks_only_for_port(&ruleset->rule[i]) ? ruleset->rule[i].chain
                                                         : RULES_UNDECIDED;
    return ruleset->default_chain;
}

static bool
asks_for_macs(const struct rule *rule)
{
    static const uint8_t none[FRAME_MACS];
    const struct frame_fields *mask = (const void *)rule->mask;

    return memcmp(mask->destination_mac, none, sizeof(none)) != 0;
}

static void
summarize(struct ruleset *ruleset)
{
    for (unsigned port = 0; port < ONVM_MAX_PORTS; port++)
        ruleset->decided[port] = decide_port(ruleset, (uint8_t)port);
    for (uint32_t i = 0; i < ruleset->count; i++)
        ruleset->by_macs |= asks_for_macs(&ruleset->rule[i]);
}

bool
rules_index(struct ruleset *ruleset)
{
    uint32_t count = ruleset->count;
    struct rule **sorted = calloc(count + 1, sizeof(*sorted));

    ruleset->group = calloc(count + 1, sizeof(ruleset->group[0]));
    ruleset->slots = calloc(count * 4 + 1, sizeof(ruleset->slots[0]));
    if (sorted == NULL || ruleset->group == NULL || ruleset->slots == NULL) {
        free(sorted);
        return false;
    }
    qsort(ruleset->rule, count, sizeof(struct rule), compare_priority);
    for (uint32_t i = 0; i < count; i++) {
        fold_ranges(&ruleset->rule[i]);
        sorted[i] = &ruleset->rule[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_mask);
    make_groups(ruleset, sorted);
    summarize(ruleset);
    free(sorted);
    return true;
}

void
rules_release(struct ruleset *ruleset)
{
    free(ruleset->group);
    free(ruleset->slots);
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

/* The first of the group's rules that matches, if it is before `best`; else `best`. */
static uint32_t
group_lookup(const struct ruleset *ruleset, const struct rule_group *group, const uint64_t *words,
             const struct flow_key *flow, uint32_t best)
{
    uint32_t number = group->slot[hash_fields(group, words)];

    for (; number < best; number = ruleset->rule[number].next)
        if (rule_matches(&ruleset->rule[number], words, flow))
            return number;
    return best;
}

uint16_t
rules_lookup(const struct ruleset *ruleset, const struct frame_fields *fields)
{
    uint32_t best = ruleset->count;
    uint64_t words[RULE_WORDS];

    memcpy(words, fields, sizeof(words));
    for (uint32_t i = 0; i < ruleset->groups && ruleset->group[i].best < best; i++)
        best = group_lookup(ruleset, &ruleset->group[i], words, &fields->flow, best);
    return best < ruleset->count ? ruleset->rule[best].chain : ruleset->default_chain;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "rule_set.h"

#include <stdlib.h>
#include <string.h>

/* The rules that a rule set is made of. */
struct rules {
    const struct rule *rule;
    uint32_t count;
};

static uint64_t *
vector_at(const struct vectors *vectors, uint32_t class)
{
    return vectors->words + (size_t)class * vectors->stride;
}

static void
set_bit(uint64_t *vector, uint32_t rule)
{
    vector[0] |= 1ull << rule / 64;
    vector[1 + rule / 64] |= 1ull << rule % 64;
}

static bool
vectors_grow(struct vectors *vectors)
{
    uint32_t room = vectors->room ? 2 * vectors->room : 16;
    uint64_t *words =
        realloc(vectors->words, (size_t)room * vectors->stride * sizeof(*vectors->words));

    if (!words)
        return false;
    vectors->words = words;
    vectors->room = room;
    return true;
}

/* Adds an empty class; returns its vector, NULL: no memory. */
static uint64_t *
vectors_add(struct vectors *vectors, const struct rules *rules)
{
    uint64_t *vector;

    vectors->stride = 1 + (rules->count + 63) / 64;
    if (vectors->count == vectors->room && !vectors_grow(vectors))
        return NULL;
    vector = vector_at(vectors, vectors->count++);
    memset(vector, 0, vectors->stride * sizeof(*vector));
    return vector;
}

/* Addresses ------------------------------------------------------------- */

typedef const struct onvm_prefix *(*prefix_of)(const struct rule *rule);

static const struct onvm_prefix *
source_of(const struct rule *rule)
{
    return &rule->source;
}

static const struct onvm_prefix *
destination_of(const struct rule *rule)
{
    return &rule->destination;
}

static int
compare_prefixes(const void *a, const void *b)
{
    const struct onvm_prefix *one = a, *other = b;

    if (one->length != other->length)
        return one->length - other->length;
    return memcmp(one->address, other->address, sizeof(one->address));
}

/* The different prefixes of one version, shortest first; returns how many. */
static uint32_t
collect_prefixes(const struct rules *rules, prefix_of prefix_of, uint8_t version,
                 struct onvm_prefix *prefixes)
{
    uint32_t found = 0, kept = 0;

    for (uint32_t i = 0; i < rules->count; i++)
        if (prefix_of(&rules->rule[i])->version == version)
            prefixes[found++] = *prefix_of(&rules->rule[i]);
    qsort(prefixes, found, sizeof(*prefixes), compare_prefixes);
    for (uint32_t i = 0; i < found; i++)
        if (i == 0 || compare_prefixes(&prefixes[i], &prefixes[kept - 1]) != 0)
            prefixes[kept++] = prefixes[i];
    return kept;
}

/* Whether a rule's prefix allows every address of `prefix`; NULL: of no prefix at all. */
static bool
allows(const struct onvm_prefix *wanted, const struct onvm_prefix *prefix)
{
    if (wanted->version == 0)
        return true;
    return prefix && wanted->version == prefix->version && wanted->length <= prefix->length &&
           onvm_prefix_holds(wanted, prefix->address);
}

static bool
add_address_class(struct vectors *vectors, const struct rules *rules, prefix_of prefix_of,
                  const struct onvm_prefix *prefix)
{
    uint64_t *vector = vectors_add(vectors, rules);

    if (!vector)
        return false;
    for (uint32_t i = 0; i < rules->count; i++)
        if (allows(prefix_of(&rules->rule[i]), prefix))
            set_bit(vector, i);
    return true;
}

static bool
add_prefixes(struct address_field *field, const struct rules *rules, prefix_of prefix_of,
             const struct onvm_prefix *prefixes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!add_address_class(&field->vectors, rules, prefix_of, &prefixes[i]) ||
            !prefix_trie_insert(&field->trie, &prefixes[i], i + 1))
            return false;
    return true;
}

static bool
address_field_open(struct address_field *field, const struct rules *rules, prefix_of prefix_of,
                   uint8_t version)
{
    struct onvm_prefix *prefixes = calloc(rules->count + 1, sizeof(*prefixes));
    bool well = prefixes && prefix_trie_open(&field->trie) &&
                add_address_class(&field->vectors, rules, prefix_of, NULL) &&
                add_prefixes(field, rules, prefix_of, prefixes,
                             collect_prefixes(rules, prefix_of, version, prefixes));

    free(prefixes);
    return well;
}

static void
address_field_close(struct address_field *field)
{
    prefix_trie_close(&field->trie);
    free(field->vectors.words);
}

/* Ports ----------------------------------------------------------------- */

typedef const struct port_range *(*range_of)(const struct rule *rule);

static const struct port_range *
source_ports_of(const struct rule *rule)
{
    return &rule->source_ports;
}

static const struct port_range *
destination_ports_of(const struct rule *rule)
{
    return &rule->destination_ports;
}

/* Adds the class of a port, or of packets without ports (port -1). */
static bool
add_port_class(struct vectors *vectors, const struct rules *rules, range_of range_of, long port)
{
    uint64_t *vector = vectors_add(vectors, rules);

    if (!vector)
        return false;
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct port_range *range = range_of(&rules->rule[i]);

        if (range->any || (port >= range->low && port <= range->high))
            set_bit(vector, i);
    }
    return true;
}

/* Marks the ports at which the set of allowing rules may change. */
static void
mark_edges(const struct rules *rules, range_of range_of, uint16_t *edges)
{
    edges[0] = 1;
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct port_range *range = range_of(&rules->rule[i]);

        if (range->any)
            continue;
        edges[range->low] = 1;
        if (range->high < 65535)
            edges[range->high + 1] = 1;
    }
}

/* Turns the marks into classes, from the lowest port up. */
static bool
number_classes(struct port_field *field, const struct rules *rules, range_of range_of)
{
    for (long port = 0; port < 65536; port++) {
        if (field->class[port] && !add_port_class(&field->vectors, rules, range_of, port))
            return false;
        field->class[port] = (uint16_t)(field->vectors.count - 1);
    }
    return true;
}

static bool
port_field_open(struct port_field *field, const struct rules *rules, range_of range_of)
{
    mark_edges(rules, range_of, field->class);
    if (!number_classes(field, rules, range_of) ||
        !add_port_class(&field->vectors, rules, range_of, -1))
        return false;
    field->without_ports = (uint16_t)(field->vectors.count - 1);
    return true;
}

/* Protocol -------------------------------------------------------------- */

static bool
names_protocol(const struct rules *rules, unsigned protocol)
{
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].protocol == protocol)
            return true;
    return false;
}

static bool
add_protocol_class(struct vectors *vectors, const struct rules *rules, unsigned protocol)
{
    uint64_t *vector = vectors_add(vectors, rules);

    if (!vector)
        return false;
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].protocol == protocol || rules->rule[i].protocol == ANY_PROTOCOL)
            set_bit(vector, i);
    return true;
}

/* Class 0 is that of all protocols which no rule names. */
static bool
protocol_field_open(struct protocol_field *field, const struct rules *rules)
{
    if (!add_protocol_class(&field->vectors, rules, ANY_PROTOCOL))
        return false;
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        if (!names_protocol(rules, protocol))
            continue;
        field->class[protocol] = (uint16_t)field->vectors.count;
        if (!add_protocol_class(&field->vectors, rules, protocol))
            return false;
    }
    return true;
}

/* The set --------------------------------------------------------------- */

static bool
open_fields(struct rule_set *set, const struct rules *rules)
{
    return address_field_open(&set->source4, rules, source_of, 4) &&
           address_field_open(&set->destination4, rules, destination_of, 4) &&
           address_field_open(&set->source6, rules, source_of, 6) &&
           address_field_open(&set->destination6, rules, destination_of, 6) &&
           port_field_open(&set->source_ports, rules, source_ports_of) &&
           port_field_open(&set->destination_ports, rules, destination_ports_of) &&
           protocol_field_open(&set->protocol, rules);
}

struct rule_set *
rule_set_new(const struct rule *rule, uint32_t count)
{
    struct rules rules = {.rule = rule, .count = count};
    struct rule_set *set = calloc(1, sizeof(*set));

    if (set && !open_fields(set, &rules)) {
        rule_set_free(set);
        return NULL;
    }
    return set;
}

void
rule_set_free(struct rule_set *set)
{
    if (!set)
        return;
    address_field_close(&set->source4);
    address_field_close(&set->destination4);
    address_field_close(&set->source6);
    address_field_close(&set->destination6);
    free(set->source_ports.vectors.words);
    free(set->destination_ports.vectors.words);
    free(set->protocol.vectors.words);
    free(set);
}

static const uint64_t *
address_vector(const struct address_field *field, const uint8_t *address)
{
    return vector_at(&field->vectors, prefix_trie_find(&field->trie, address));
}

static const uint64_t *
port_vector(const struct port_field *field, bool has_ports, uint16_t port)
{
    return vector_at(&field->vectors, has_ports ? field->class[port] : field->without_ports);
}

static uint32_t
first_common(const uint64_t *a, const uint64_t *b, const uint64_t *c, const uint64_t *d,
             const uint64_t *e)
{
    uint64_t summary = a[0] & b[0] & c[0] & d[0] & e[0];

    for (; summary; summary &= summary - 1) {
        uint32_t word = (uint32_t)__builtin_ctzll(summary);
        uint64_t common = a[1 + word] & b[1 + word] & c[1 + word] & d[1 + word] & e[1 + word];

        if (common)
            return word * 64 + (uint32_t)__builtin_ctzll(common);
    }
    return NO_RULE;
}

uint32_t
rule_set_match(const struct rule_set *set, const uint8_t *frame,
               const struct onvm_headers *headers)
{
    const uint8_t *ip = frame + headers->l3;
    bool six = headers->version == 6;
    const uint64_t *source = six ? address_vector(&set->source6, ip + 8)
                                 : address_vector(&set->source4, ip + 12);
    const uint64_t *destination = six ? address_vector(&set->destination6, ip + 24)
                                      : address_vector(&set->destination4, ip + 16);

    return first_common(
        source, destination,
        port_vector(&set->source_ports, headers->has_ports, headers->source_port),
        port_vector(&set->destination_ports, headers->has_ports, headers->destination_port),
        vector_at(&set->protocol.vectors, set->protocol.class[headers->protocol]));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an attacker can do to the flow table who knows the code and not the seed.
 *
 *   bench_adversary FLOWS SAMPLES
 *
 * Each sample is a table of a fresh seed with room for FLOWS.  Of each hostile set, and of random
 * flows, FLOWS are put, then looked up; those that are not found any more have been evicted by
 * others.  A line for each sample: CPU ns/look-up, the mean over the hostile sets, the same of random
 * flows, percent of flows evicted of the worst hostile set, of random flows, and of the set that is
 * made for this very seed, to show what the seed is for.
 */
#include "../../native/check.h"
#include "dataplane/flow_table.h"
#include "sampling.h"

#define BURST 32
#define CROWDING 64 /* a chosen set goes to one bucket of so many */

struct result {
    double cost;    /* CPU ns */
    double evicted; /* percent */
};

struct adversary {
    uint32_t flows;
    uint64_t random; /* state of a generator */
    struct compact_key *key;
    struct flow_table *known; /* whose seed the attacker tries with */
};

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

static struct compact_key
make_key(uint32_t source, uint32_t destination, uint32_t ports, uint16_t vlan)
{
    return (struct compact_key){{
        source | (uint64_t)destination << 32,
        ports | (uint64_t)IPPROTO_UDP << 32 | COMPACT_HAS_PORTS | COMPACT_USED |
            (uint64_t)(vlan & 0xfff) << COMPACT_VLAN_SHIFT,
    }};
}

static struct compact_key
random_key(struct adversary *adversary)
{
    uint64_t addresses = next_random(&adversary->random);

    return make_key((uint32_t)addresses, (uint32_t)(addresses >> 32),
                    (uint32_t)next_random(&adversary->random), 0);
}

static void
random_flows(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows; i++)
        adversary->key[i] = random_key(adversary);
}

/* All in a few buckets of a table whose seed is known. */
static void
chosen_flows(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows;) {
        struct compact_key key = random_key(adversary);
        uint32_t place = flow_place_compact(adversary->known, &key);

        if ((place >> FLOW_WAY_BITS) % CROWDING == 0)
            adversary->key[i++] = key;
    }
}

static void
sequential_addresses(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows; i++)
        adversary->key[i] = make_key(htonl(i), 0x020012c6, 0x50000004, 0);
}

static void
distant_addresses(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows; i++)
        adversary->key[i] = make_key(i << 16, i & 0xffff0000, 0x50000004, 0);
}

static void
equal_ends(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows; i++)
        adversary->key[i] = make_key(i, i, 0x50005000, 0);
}

static void
ports_and_vlans(struct adversary *adversary)
{
    for (uint32_t i = 0; i < adversary->flows; i++)
        adversary->key[i] = make_key(0x010012c6, 0x020012c6, i >> 12, (uint16_t)i);
}

static void (*const hostile[])(struct adversary *) = {
    chosen_flows, sequential_addresses, distant_addresses, equal_ends, ports_and_vlans,
};

static void
put(struct flow_table *table, const struct compact_key *key)
{
    struct frame_fields fields = {.flow = {.family = FLOW_IPV4,
                                           .protocol = IPPROTO_UDP,
                                           .has_ports = 1,
                                           .source_port = ntohs((uint16_t)key->word[1]),
                                           .destination_port = ntohs((uint16_t)(key->word[1] >> 16)),
                                           .vlan = {key->word[1] >> COMPACT_VLAN_SHIFT}}};

    memcpy(fields.flow.source, &key->word[0], 4);
    memcpy(fields.flow.destination, (const uint8_t *)&key->word[0] + 4, 4);
    flow_table_put(table, &fields, flow_place_compact(table, key), 1,
                   (struct flow_target){.id = 1, .flow = 1});
}

static unsigned
find_burst(struct flow_table *table, const struct compact_key *key)
{
    struct compact_entry *home[BURST];
    struct flow_target target;
    unsigned found = 0;

    for (unsigned i = 0; i < BURST; i++) {
        home[i] = flow_home_compact(table, flow_place_compact(table, &key[i]));
        __builtin_prefetch(home[i]);
    }
    for (unsigned i = 0; i < BURST; i++)
        found += flow_find_compact(table, &key[i], home[i], 1, &target);
    return found;
}

/* Puts the present flows into an empty table and looks all of them up. */
static struct result
try_flows(struct adversary *adversary, struct flow_table *table)
{
    uint32_t found = 0;
    double start;

    flow_table_clear(table);
    for (uint32_t i = 0; i < adversary->flows; i++)
        put(table, &adversary->key[i]);
    start = cpu_nanoseconds();
    for (uint32_t i = 0; i < adversary->flows; i += BURST)
        found += find_burst(table, &adversary->key[i]);
    return (struct result){(cpu_nanoseconds() - start) / adversary->flows,
                           100.0 * (adversary->flows - found) / adversary->flows};
}

#define SETS (sizeof(hostile) / sizeof(hostile[0]))

/* The mean cost of all hostile sets, and the most that one evicts. */
static struct result
try_hostile(struct adversary *adversary, struct flow_table *table)
{
    struct result all = {0};

    for (size_t i = 0; i < SETS; i++) {
        struct result result;

        hostile[i](adversary);
        result = try_flows(adversary, table);
        all.cost += result.cost / SETS;
        all.evicted = result.evicted > all.evicted ? result.evicted : all.evicted;
    }
    return all;
}

static void
print_sample(struct adversary *adversary)
{
    struct flow_table *table = flow_table_new(adversary->flows);
    struct result attacked, usual, known;

    REQUIRE(table != NULL, "no memory for a table");
    random_flows(adversary);
    try_flows(adversary, table); /* takes memory */
    usual = try_flows(adversary, table);
    attacked = try_hostile(adversary, table);
    chosen_flows(adversary);
    known = try_flows(adversary, adversary->known);
    printf("%f %f %f %f %f\n", attacked.cost, usual.cost, attacked.evicted, usual.evicted,
           known.evicted);
    flow_table_free(table);
}

int
main(int argc, char **argv)
{
    const char *usage = "FLOWS SAMPLES";
    struct adversary adversary = {.flows = number(argc, argv, 1, usage) / BURST * BURST};
    uint32_t samples = number(argc, argv, 2, usage);

    adversary.key = calloc(adversary.flows + 1, sizeof(adversary.key[0]));
    adversary.known = flow_table_new(adversary.flows);
    REQUIRE(adversary.key != NULL && adversary.known != NULL, "no memory for %u flows",
            adversary.flows);
    for (uint32_t i = 0; i < samples; i++)
        print_sample(&adversary);
    flow_table_free(adversary.known);
    free(adversary.key);
    return 0;
}

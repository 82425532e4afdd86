/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/flow_table.h"

#include <string.h>

#include "../check.h"

#define NOW 1000

static struct frame_fields
flow_number(uint32_t number)
{
    struct frame_fields fields = {.flow.family = FLOW_IPV4, .flow.protocol = 6};

    memcpy(fields.flow.source, &number, sizeof(number));
    fields.flow.source_port = 1000;
    fields.flow.destination_port = 80;
    return fields;
}

static uint32_t
place_of(const struct flow_table *table, const struct frame_fields *fields)
{
    return flow_table_hash(table, &fields->flow).place;
}

static void
put(struct flow_table *table, const struct frame_fields *fields, uint32_t now, uint16_t id,
    bool is_return)
{
    struct flow_target target = {.flow = id * 3u, .id = id, .is_return = is_return};

    flow_table_put(table, fields, place_of(table, fields), now, target);
}

/* The id of the flow's entry; -1: it is unknown. */
static int
find(struct flow_table *table, const struct frame_fields *fields, uint32_t now)
{
    struct flow_target target;

    if (!flow_table_find(table, fields, place_of(table, fields), now, &target))
        return -1;
    CHECK(target.flow == target.id * 3u, "entry %u brings the hash of another", target.id);
    return target.id;
}

static void
check_finds_what_was_put(void)
{
    struct flow_table *table = flow_table_new(4096);
    unsigned found = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        struct frame_fields fields = flow_number(i);

        CHECK(find(table, &fields, NOW) == -1, "flow %u was never put", i);
        put(table, &fields, NOW, (uint16_t)(i + 1), false);
        CHECK(find(table, &fields, NOW) == (int)i + 1, "flow %u was put just now", i);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        struct frame_fields fields = flow_number(i);

        found += find(table, &fields, NOW) == (int)i + 1;
    }
    CHECK(found >= 990, "only %u of 1000 flows are left in a table of 4096", found);
    CHECK(flow_table_count(table) == found, "it counts %u of %u", flow_table_count(table), found);
    flow_table_free(table);
}

/* Bytes of a flow key that are zero in all keys of the family. */
static bool
is_unused(uint8_t family, size_t byte)
{
    return family == FLOW_IPV4 && byte < 32 && byte % 16 >= 4;
}

/* Every field of a key tells flows apart, and nothing else of a return entry does. */
static void
check_compares_whole_keys(uint8_t family)
{
    struct flow_table *table = flow_table_new(4); /* one bucket */
    struct frame_fields fields = flow_number(1);

    fields.flow.family = family;
    put(table, &fields, NOW, 7, true);
    for (size_t i = 0; i < sizeof(fields); i++) {
        struct frame_fields other = fields;
        bool in_key = i < sizeof(other.flow) && !is_unused(family, i);
        struct flow_target target;

        ((uint8_t *)&other)[i] ^= 1;
        CHECK(flow_table_find(table, &other, place_of(table, &fields), NOW, &target) == !in_key,
              "byte %zu of family %u", i, family);
    }
    flow_table_free(table);
}

static void
check_rule_entries_keep_to_their_macs(void)
{
    struct flow_table *table = flow_table_new(64);
    struct frame_fields fields = flow_number(1), other = fields;

    other.source_mac[5] = 9;
    put(table, &fields, NOW, 7, false);
    CHECK(find(table, &other, NOW) == 7, "no rule asks for MAC addresses");
    flow_table_forget_rules(table, true);
    put(table, &fields, NOW, 7, false);
    CHECK(find(table, &fields, NOW) == 7, "the frame that made it");
    CHECK(find(table, &other, NOW) == -1, "a rule may say otherwise of another MAC address");
    put(table, &other, NOW, 8, false);
    CHECK(find(table, &other, NOW) == 8, "it takes the entry over");
    CHECK(flow_table_count(table) == 1, "a flow has one entry");
    put(table, &other, NOW, 9, true);
    CHECK(find(table, &fields, NOW) == 9, "what returns may have any MAC address");
    flow_table_free(table);
}

static void
put_flows(struct flow_table *table, uint32_t first, uint32_t count, uint32_t now, bool is_return)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct frame_fields fields = flow_number(i);

        put(table, &fields, now, 1, is_return);
    }
}

/* How many of the flows are known; this uses them. */
static unsigned
find_flows(struct flow_table *table, uint32_t first, uint32_t count, uint32_t now)
{
    unsigned found = 0;

    for (uint32_t i = first; i < first + count; i++) {
        struct frame_fields fields = flow_number(i);

        found += find(table, &fields, now) != -1;
    }
    return found;
}

static void
check_evicts_the_least_recently_used(void)
{
    struct flow_table *table = flow_table_new(4); /* one bucket of eight */

    for (uint32_t i = 0; i < 8; i++)
        put_flows(table, i, 1, NOW + i, false);
    CHECK(find_flows(table, 0, 1, NOW) == 1, "it is full");
    put_flows(table, 8, 1, NOW + 9, false);
    CHECK(find_flows(table, 0, 1, NOW + 9) == 0, "flow 0 was the oldest");
    CHECK(find_flows(table, 1, 8, NOW + 9) == 8, "the others are there");
    CHECK(flow_table_count(table) == 8, "it is full");
    flow_table_free(table);
}

/* Who gives up a place in a full bucket: seven proven entries and one more. */
static const struct {
    const char *name;
    bool proven_returns, last_return, last_proven, new_return;
    bool last_stays, new_stays;
} evictions[] = {
    {"a new rule entry to a rule entry", false, false, false, false, false, true},
    {"a new rule entry to a return entry", false, false, false, true, false, true},
    {"a new return entry to a rule entry", false, true, false, false, false, true},
    {"a proven rule entry to a rule entry", true, false, true, false, false, true},
    {"a proven return entry to no rule entry", true, true, true, false, true, false},
    {"a proven return entry to a return entry", true, true, true, true, false, true},
};

static void
check_eviction(unsigned i)
{
    struct flow_table *table = flow_table_new(4);

    put_flows(table, 0, 7, NOW, evictions[i].proven_returns);
    put_flows(table, 7, 1, NOW, evictions[i].last_return);
    if (evictions[i].last_proven)
        find_flows(table, 7, 1, NOW + 1);
    find_flows(table, 0, 7, NOW + 2);
    put_flows(table, 8, 1, NOW + 2, evictions[i].new_return);
    CHECK(find_flows(table, 0, 7, NOW + 2) == 7, "%s: others stay", evictions[i].name);
    CHECK((find_flows(table, 7, 1, NOW + 2) == 1) == evictions[i].last_stays, "%s: the old one",
          evictions[i].name);
    CHECK((find_flows(table, 8, 1, NOW + 2) == 1) == evictions[i].new_stays, "%s: the new one",
          evictions[i].name);
    flow_table_free(table);
}

/* A hundred times as many new flows as there is room for. */
static void
check_flood_leaves_proven_flows(bool is_return)
{
    enum { FLOWS = 4096, FLOOD = FLOWS * 100 };
    struct flow_table *table = flow_table_new(FLOWS);
    unsigned before, after;

    put_flows(table, 0, FLOWS, NOW, is_return);
    before = find_flows(table, 0, FLOWS, NOW + 1);
    put_flows(table, FLOWS, FLOOD, NOW + 1, is_return);
    after = find_flows(table, 0, FLOWS, NOW + 2);
    CHECK(before > FLOWS * 98 / 100, "only %u of %u flows found room", before, FLOWS);
    CHECK(after > before * 97 / 100, "a flood left %u of %u flows", after, before);
    CHECK(find_flows(table, FLOWS, FLOOD, NOW + 2) > FLOWS / 2, "the rest of the table is in use");
    flow_table_free(table);
}

/* All sorts of flows, against a list: what is found is what was put last. */
static void
check_against_a_list(void)
{
    enum { FLOWS = 2000, STEPS = 200000 };
    struct flow_table *table = flow_table_new(FLOWS * 16);
    static struct frame_fields flow[FLOWS];
    static uint16_t id[FLOWS];
    uint32_t random = 1, lost = 0;

    memset(id, 0, sizeof(id));
    for (uint32_t i = 0; i < FLOWS; i++) {
        flow[i] = flow_number(i / 4);
        flow[i].flow.family = i % 2 ? FLOW_IPV6 : FLOW_IPV4;
        flow[i].flow.vlan[1] = i / 2 % 2;
    }
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t number = (random = random * 1664525 + 1013904223) >> 8;
        struct frame_fields *fields = &flow[number % FLOWS];
        int known = find(table, fields, NOW);

        CHECK(known == -1 || known == id[number % FLOWS], "flow %u has the id %d", number % FLOWS,
              known);
        lost += known == -1 && id[number % FLOWS] != 0;
        if (number % 3 == 0 || known == -1)
            put(table, fields, NOW, id[number % FLOWS] = (uint16_t)(1 + number % 1000),
                number % 5 == 0);
    }
    CHECK(lost == 0, "%u entries were lost though there is room", lost);
    flow_table_free(table);
}

static void
check_forgets_rules_but_not_returns(void)
{
    struct flow_table *table = flow_table_new(64);
    struct frame_fields rule = flow_number(1), answer = flow_number(2);

    put(table, &rule, NOW, 1, false);
    put(table, &answer, NOW, 2, true);
    flow_table_forget_rules(table, false);
    CHECK(find(table, &rule, NOW) == -1, "the rules changed");
    CHECK(find(table, &answer, NOW) == 2, "return traffic goes on as before");
    put(table, &rule, NOW, 3, false);
    CHECK(find(table, &rule, NOW) == 3, "the new rules' answer");
    CHECK(flow_table_count(table) == 2, "the old entry was used again");
    flow_table_clear(table);
    CHECK(find(table, &answer, NOW) == -1 && flow_table_count(table) == 0, "all is forgotten");
    flow_table_free(table);
}

static const bool lasting[ONVM_MAX_CHAINS] = {[5] = true};

static void
expire_all(struct flow_table *table, uint32_t now)
{
    for (unsigned i = 0; i < 256; i++)
        flow_table_expire(table, now);
}

static void
check_expires_idle_entries(void)
{
    struct flow_table *table = flow_table_new(16384);
    struct frame_fields rule = flow_number(1), answer = flow_number(2);

    put(table, &rule, NOW, 1, false);
    put(table, &answer, NOW, 2, true);
    expire_all(table, NOW + FLOW_RULE_IDLE);
    CHECK(flow_table_count(table) == 2, "nothing was idle for too long");
    expire_all(table, NOW + FLOW_RULE_IDLE + 1);
    CHECK(flow_table_count(table) == 1, "rule entries go after a minute");
    CHECK(find(table, &answer, NOW + FLOW_RETURN_IDLE) == 2, "return entries stay for hours");
    expire_all(table, NOW + FLOW_RETURN_IDLE * 2);
    CHECK(flow_table_count(table) == 1, "counted from its last use");
    expire_all(table, NOW + FLOW_RETURN_IDLE * 2 + 1);
    CHECK(flow_table_count(table) == 0, "and then they go");
    flow_table_free(table);
}

static void
check_flows_of_lasting_chains_stay_like_returns(void)
{
    struct flow_table *table = flow_table_new(16384);
    struct frame_fields brief = flow_number(1), lasts = flow_number(2);

    flow_table_set_lasting(table, lasting);
    put(table, &brief, NOW, 4, false);
    put(table, &lasts, NOW, 5, false);
    expire_all(table, NOW + FLOW_RETURN_IDLE);
    CHECK(find(table, &brief, NOW) == -1, "its chain keeps nothing about it");
    CHECK(find(table, &lasts, NOW) == 5, "an NF of its chain may know it still");
    expire_all(table, NOW + FLOW_RETURN_IDLE + 1);
    CHECK(flow_table_count(table) == 0, "and then it goes");
    flow_table_free(table);
}

static uint8_t
put_in_era(struct flow_table *table, uint32_t number, uint8_t era, bool is_return)
{
    struct frame_fields fields = flow_number(number);
    struct flow_target target = {.flow = 3, .id = 1, .era = era, .is_return = is_return};

    return flow_table_put(table, &fields, place_of(table, &fields), NOW + number, target);
}

static unsigned
era_of_flow(struct flow_table *table, uint32_t number)
{
    struct frame_fields fields = flow_number(number);
    struct flow_target target = {.era = 99};

    flow_table_find(table, &fields, place_of(table, &fields), NOW, &target);
    return target.era;
}

static void
check_flows_keep_their_era(void)
{
    struct flow_table *table = flow_table_new(64);

    CHECK(put_in_era(table, 1, 15, false) == 15, "a new flow begins in the era of its time");
    CHECK(put_in_era(table, 2, 7, true) == 7, "a return entry likewise");
    flow_table_forget_rules(table, false);
    CHECK(put_in_era(table, 1, 3, false) == 15, "made again it keeps its era");
    CHECK(era_of_flow(table, 1) == 15, "and says so");
    CHECK(put_in_era(table, 2, 4, true) == 4, "what left says in which era it was handled");
    CHECK(era_of_flow(table, 2) == 4, "so returns follow");
    flow_table_free(table);
}

static void
check_counts_the_flows_of_each_era(void)
{
    struct flow_table *table = flow_table_new(4); /* one bucket */

    for (uint32_t i = 0; i < 8; i++)
        put_in_era(table, i, i % 2, false);
    CHECK(flow_table_of_era(table, 0) == 4 && flow_table_of_era(table, 1) == 4, "half and half");
    for (uint32_t i = 8; i < 16; i++)
        put_in_era(table, i, 2, false);
    CHECK(flow_table_of_era(table, 2) == 8, "the evicted do not count: %u",
          flow_table_of_era(table, 2));
    CHECK(flow_table_of_era(table, 0) + flow_table_of_era(table, 1) == 0, "nor in their eras");
    expire_all(table, NOW + FLOW_RULE_IDLE + 16);
    CHECK(flow_table_of_era(table, 2) == 0, "nor do those that expired");
    put_in_era(table, 1, 5, false);
    flow_table_clear(table);
    CHECK(flow_table_of_era(table, 5) == 0, "nor do those that were forgotten");
    flow_table_free(table);
}

static void
check_hash(void)
{
    struct flow_table *table = flow_table_new(64), *other = flow_table_new(64);
    struct frame_fields fields = flow_number(1), elsewhere;
    struct flow_key back = flow_key_reverse(&fields.flow);
    struct flow_hash hash = flow_table_hash(table, &fields.flow);

    CHECK(hash.flow == flow_table_hash(table, &back).flow, "both directions have one hash");
    elsewhere = fields;
    elsewhere.flow.port = 9;
    elsewhere.flow.vlan[0] = 5;
    CHECK(hash.flow == flow_table_hash(table, &elsewhere.flow).flow, "at every port and VLAN");
    CHECK(hash.place != flow_table_hash(table, &elsewhere.flow).place, "but not in one place");
    CHECK(hash.flow != flow_table_hash(other, &fields.flow).flow, "tables are seeded differently");
    flow_table_free(table);
    flow_table_free(other);
}

/* 256 buckets of a service get equal shares: chi squared with 255 degrees of freedom. */
static void
check_hash_spreads(void)
{
    enum { FLOWS = 1 << 16, BUCKETS = 256 };
    struct flow_table *table = flow_table_new(64);
    unsigned share[BUCKETS] = {0};
    double chi = 0;

    for (uint32_t i = 0; i < FLOWS; i++) {
        struct frame_fields fields = flow_number(i);

        share[flow_table_hash(table, &fields.flow).flow % BUCKETS]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        double off = share[i] - (double)FLOWS / BUCKETS;

        chi += off * off / ((double)FLOWS / BUCKETS);
    }
    CHECK(chi < 400, "chi squared is %.0f, far from 255", chi); /* p < 1e-8 */
    flow_table_free(table);
}

/* The numberth of 4,096 flows that differ in ports and VLANs only: few bits, all at one end. */
static struct frame_fields
ports_and_vlans(uint32_t number)
{
    return (struct frame_fields){.flow = {.family = FLOW_IPV4,
                                          .protocol = IPPROTO_UDP,
                                          .has_ports = 1,
                                          .source = {198, 18, 0, 1},
                                          .destination = {198, 18, 0, 2},
                                          .source_port = (uint16_t)(number >> 10),
                                          .vlan = {number & 1023}}};
}

/* As many as there is room for, whatever the seed: about 0.8 % meet in a full bucket by chance. */
static void
check_sequences_meet_as_seldom_as_others(void)
{
    enum { FLOWS = 4096, SEEDS = 200 };

    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct flow_table *table = flow_table_new(FLOWS);
        uint32_t left;

        for (uint32_t i = 0; i < FLOWS; i++) {
            struct frame_fields fields = ports_and_vlans(i);

            put(table, &fields, NOW, 1, false);
        }
        left = flow_table_count(table);
        CHECK(left > FLOWS * 96 / 100, "only %u of %u flows found room", left, FLOWS);
        flow_table_free(table);
    }
}

int
main(void)
{
    check_finds_what_was_put();
    check_compares_whole_keys(FLOW_IPV4);
    check_compares_whole_keys(FLOW_IPV6);
    check_rule_entries_keep_to_their_macs();
    check_evicts_the_least_recently_used();
    for (unsigned i = 0; i < sizeof(evictions) / sizeof(evictions[0]); i++)
        check_eviction(i);
    check_flood_leaves_proven_flows(false);
    check_flood_leaves_proven_flows(true);
    check_against_a_list();
    check_forgets_rules_but_not_returns();
    check_expires_idle_entries();
    check_flows_of_lasting_chains_stay_like_returns();
    check_flows_keep_their_era();
    check_counts_the_flows_of_each_era();
    check_hash();
    check_hash_spreads();
    check_sequences_meet_as_seldom_as_others();
    CHECK(flow_table_new(UINT32_MAX) == NULL, "four thousand million entries are too many");
    return check_result();
}

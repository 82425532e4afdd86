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

/* Every field of a key tells flows apart, and nothing else of a return entry does. */
static void
check_compares_whole_keys(void)
{
    struct flow_table *table = flow_table_new(8); /* one bucket */
    struct frame_fields fields = flow_number(1);

    put(table, &fields, NOW, 7, true);
    for (size_t i = 0; i < sizeof(fields); i++) {
        struct frame_fields other = fields;
        bool in_key = i < sizeof(other.flow);
        struct flow_target target;

        ((uint8_t *)&other)[i] ^= 1;
        CHECK(flow_table_find(table, &other, place_of(table, &fields), NOW, &target) == !in_key,
              "byte %zu", i);
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
    CHECK(find(table, &fields, NOW) == 7, "the frame that made it");
    CHECK(find(table, &other, NOW) == -1, "a rule may say otherwise of another MAC address");
    put(table, &other, NOW, 8, false);
    CHECK(find(table, &other, NOW) == 8, "it takes the entry over");
    CHECK(flow_table_count(table) == 1, "a flow has one entry");
    flow_table_free(table);
}

static void
check_evicts_the_least_recently_used(void)
{
    struct flow_table *table = flow_table_new(8); /* one bucket */
    struct frame_fields fields;

    for (uint32_t i = 0; i < 8; i++) {
        fields = flow_number(i);
        put(table, &fields, NOW + i, (uint16_t)i, false);
    }
    fields = flow_number(0);
    find(table, &fields, NOW + 8); /* used again, so flow 1 is the oldest */
    fields = flow_number(8);
    put(table, &fields, NOW + 9, 8, false);
    for (uint32_t i = 0; i < 9; i++) {
        fields = flow_number(i);
        CHECK((find(table, &fields, NOW + 9) == -1) == (i == 1), "flow %u", i);
    }
    CHECK(flow_table_count(table) == 8, "it is full");
    flow_table_free(table);
}

static void
check_forgets_rules_but_not_returns(void)
{
    struct flow_table *table = flow_table_new(64);
    struct frame_fields rule = flow_number(1), answer = flow_number(2);

    put(table, &rule, NOW, 1, false);
    put(table, &answer, NOW, 2, true);
    flow_table_forget_rules(table);
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
    for (unsigned i = 0; i < 64; i++)
        flow_table_expire(table, now, lasting);
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
    flow_table_forget_rules(table);
    CHECK(put_in_era(table, 1, 3, false) == 15, "made again it keeps its era");
    CHECK(era_of_flow(table, 1) == 15, "and says so");
    CHECK(put_in_era(table, 2, 4, true) == 4, "what left says in which era it was handled");
    CHECK(era_of_flow(table, 2) == 4, "so returns follow");
    flow_table_free(table);
}

static void
check_counts_the_flows_of_each_era(void)
{
    struct flow_table *table = flow_table_new(8); /* one bucket */

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

int
main(void)
{
    check_finds_what_was_put();
    check_compares_whole_keys();
    check_rule_entries_keep_to_their_macs();
    check_evicts_the_least_recently_used();
    check_forgets_rules_but_not_returns();
    check_expires_idle_entries();
    check_flows_of_lasting_chains_stay_like_returns();
    check_flows_keep_their_era();
    check_counts_the_flows_of_each_era();
    check_hash();
    check_hash_spreads();
    CHECK(flow_table_new(UINT32_MAX) == NULL, "four thousand million entries are too many");
    return check_result();
}

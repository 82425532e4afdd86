/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/balance.h"

#include <string.h>

#include "../check.h"

#define SERVICE 3
#define OTHER 5

static struct balance balance; /* too large for the stack */
static struct era_use use[ONVM_ERAS];

static void
begin(void)
{
    balance_open(&balance);
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        use[era] = (struct era_use){.vacant = era != 0};
}

/* Instances by weight; -1: it is not there. */
static void
set(unsigned service, bool stateful, const int weight[4])
{
    struct candidate instances[4];
    unsigned count = 0;

    for (unsigned i = 0; i < 4; i++)
        if (weight[i] >= 0)
            instances[count++] =
                (struct candidate){(uint16_t)i, 1000 * (i + 1), (uint32_t)weight[i]};
    balance_set(&balance, service, stateful, instances, count);
}

static void
change(const int weight[4])
{
    set(SERVICE, true, weight);
    balance_settle(&balance, use);
    use[balance.era].vacant = false;
}

static unsigned
share(unsigned era, uint16_t nf)
{
    unsigned count = 0;

    for (uint32_t flow = 0; flow < ONVM_BUCKETS; flow++)
        count += balance_instance(&balance, SERVICE, era, flow) == nf;
    return count;
}

static const int one[] = {1, -1, -1, -1}, two[] = {1, 1, -1, -1}, three[] = {1, 1, 1, -1};
static const int nobody[] = {-1, -1, -1, -1};

static void
check_the_first_instance_serves_every_era(void)
{
    begin();
    CHECK(share(0, BALANCE_NOBODY) == ONVM_BUCKETS, "nobody serves yet");
    change(one);
    CHECK(balance.era == 0, "there is nothing to stay with");
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        CHECK(share(era, 0) == ONVM_BUCKETS, "era %u", era);
}

static void
check_established_flows_stay(void)
{
    begin();
    change(one);
    change(two);
    CHECK(balance.era == 1, "new flows begin in era %u", balance.era);
    CHECK(share(0, 0) == ONVM_BUCKETS, "those of era 0 stay");
    CHECK(share(1, 0) == 256 && share(1, 1) == 256, "new ones are spread evenly");
}

static void
check_flows_of_other_services_move_at_once(void)
{
    begin();
    set(OTHER, false, one);
    set(OTHER, false, two);
    balance_settle(&balance, use);
    CHECK(balance.era == 0, "no new era for them");
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        CHECK(memcmp(balance.serves[OTHER][era], balance.wanted[OTHER], 1024) == 0, "era %u", era);
}

static void
check_a_drained_instance_keeps_its_flows(void)
{
    static const int drained[] = {1, 0, 1, -1}, gone[] = {1, -1, 1, -1};

    begin();
    change(three);
    unsigned before = balance.era, held = share(before, 1);
    change(drained);
    CHECK(share(before, 1) == held && share(balance.era, 1) == 0, "it gets no new flows");
    unsigned first = share(before, 0);
    change(gone);
    CHECK(share(before, 1) == 0, "it is replaced");
    CHECK(share(before, 0) >= first, "the others keep what they had");
}

static void
check_a_lost_instance_moves_nobody_else(void)
{
    static const int lost[] = {1, -1, 1, -1};
    uint16_t before[ONVM_BUCKETS];

    begin();
    change(three);
    unsigned era = balance.era;
    memcpy(before, balance.serves[SERVICE][era], sizeof(before));
    change(lost);
    for (unsigned bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        CHECK(before[bucket] == 1 || balance.serves[SERVICE][era][bucket] == before[bucket],
              "bucket %u moved from %u to %u", bucket, before[bucket],
              balance.serves[SERVICE][era][bucket]);
}

static void
check_who_takes_over_all_needs_no_new_era(void)
{
    begin();
    change(two);
    change(one);
    CHECK(balance.era == 0 && share(0, 0) == ONVM_BUCKETS, "era %u", balance.era);
}

static void
check_who_comes_back_finds_everything(void)
{
    begin();
    change(one);
    change(nobody);
    CHECK(share(balance.era, BALANCE_NOBODY) == ONVM_BUCKETS, "nobody is there");
    change(one);
    CHECK(balance.era == 0 && share(0, 0) == ONVM_BUCKETS, "and then somebody is");
}

static void
check_all_drained_is_nobody_drained(void)
{
    static const int drained[] = {0, 0, -1, -1};

    begin();
    change(two);
    change(drained);
    CHECK(share(balance.era, 0) == 256 && share(balance.era, 1) == 256, "better they than nobody");
}

static void
check_the_same_assignment_is_the_same_era(void)
{
    static const int drained[] = {1, 0, -1, -1};

    begin();
    change(one);
    for (unsigned i = 0; i < 100; i++) {
        change(two);
        CHECK(balance.era == 1, "back and forth needs era %u", balance.era);
        change(drained);
        CHECK(balance.era == 2, "back and forth needs era %u", balance.era);
    }
    CHECK(balance.moved == 0, "%llu moved", (unsigned long long)balance.moved);
}

static void
check_without_a_vacant_era_the_fewest_flows_move(void)
{
    begin();
    for (int i = 0; i < ONVM_ERAS; i++)
        change((const int[]){i + 1, 100, -1, -1});
    CHECK(balance.moved == 0, "there was room");
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        use[era].flows = 1000 - 50 * era;
    unsigned last = balance.era;
    use[9].flows = 3;
    change((const int[]){1, 1, -1, -1});
    CHECK(balance.era == 9 && last != 9, "era %u was given up", balance.era);
    CHECK(balance.moved > 0 && balance.moved <= 3, "%llu moved",
          (unsigned long long)balance.moved);
}

int
main(void)
{
    check_the_first_instance_serves_every_era();
    check_established_flows_stay();
    check_flows_of_other_services_move_at_once();
    check_a_drained_instance_keeps_its_flows();
    check_a_lost_instance_moves_nobody_else();
    check_who_takes_over_all_needs_no_new_era();
    check_who_comes_back_finds_everything();
    check_all_drained_is_nobody_drained();
    check_the_same_assignment_is_the_same_era();
    check_without_a_vacant_era_the_fewest_flows_move();
    return check_result();
}

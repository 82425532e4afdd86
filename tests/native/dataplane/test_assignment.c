/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/assignment.h"

#include <stdio.h>

#include "../check.h"
#include "dataplane/rendezvous.h"

#define MOST 24
#define FAMILIES 8 /* of names, each another draw of lots */

static struct candidate
instance(unsigned family, unsigned number, uint32_t weight)
{
    char name[ONVM_NAME_MAX];

    snprintf(name, sizeof(name), "service%u-%u", family, number + 1);
    return (struct candidate){(uint16_t)(number + 7), rendezvous_seed(name), weight};
}

static void
fill(unsigned family, unsigned count, uint16_t *table)
{
    struct candidate candidates[MOST];

    for (unsigned i = 0; i < count; i++)
        candidates[i] = instance(family, i, 1);
    assignment_fill(candidates, count, table);
}

static unsigned
share(const uint16_t *table, unsigned number)
{
    unsigned count = 0;

    for (unsigned bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        count += table[bucket] == number + 7;
    return count;
}

static unsigned
moved(const uint16_t *before, const uint16_t *after)
{
    unsigned count = 0;

    for (unsigned bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        count += before[bucket] != after[bucket];
    return count;
}

static void
check_equal_weights_get_equal_shares(void)
{
    uint16_t table[ONVM_BUCKETS];

    for (unsigned count = 1; count <= MOST; count++) {
        fill(0, count, table);
        for (unsigned i = 0; i < count; i++) {
            unsigned got = share(table, i), even = ONVM_BUCKETS / count;

            CHECK(got == even || got == even + (ONVM_BUCKETS % count != 0), "%u of %u has %u", i,
                  count, got);
        }
    }
}

static void
check_weights_are_shares(void)
{
    static const struct {
        uint32_t weight[4];
        unsigned share[4];
    } cases[] = {
        {{1, 1, 2, 0}, {128, 128, 256, 0}}, {{0, 0, 0, 5}, {0, 0, 0, 512}},
        {{1, 3, 0, 0}, {128, 384, 0, 0}},   {{1000, 1000, 1000, 1000}, {128, 128, 128, 128}},
        {{1, 511, 0, 0}, {1, 511, 0, 0}},
    };
    uint16_t table[ONVM_BUCKETS];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct candidate candidates[4];

        for (unsigned j = 0; j < 4; j++)
            candidates[j] = instance(0, j, cases[i].weight[j]);
        assignment_fill(candidates, 4, table);
        for (unsigned j = 0; j < 4; j++)
            CHECK(share(table, j) == cases[i].share[j], "case %zu: %u has %u", i, j,
                  share(table, j));
    }
}

/* How many buckets move between `count` and `count + 1` instances, in shares of the latter. */
static double
shares_moved(unsigned count)
{
    uint16_t before[ONVM_BUCKETS], after[ONVM_BUCKETS];
    unsigned sum = 0;

    for (unsigned family = 0; family < FAMILIES; family++) {
        fill(family, count, before);
        fill(family, count + 1, after);
        sum += moved(before, after);
    }
    return (double)sum / FAMILIES * (count + 1) / ONVM_BUCKETS;
}

static void
check_one_more_moves_about_its_share(void)
{
    for (unsigned count = 1; count < MOST; count++) {
        double most = count < 8 ? 1.25 : 1.8;

        CHECK(shares_moved(count) < most, "with %u it is %.2f shares", count + 1,
              shares_moved(count));
    }
}

static void
check_order_does_not_matter(void)
{
    struct candidate forward[5], backward[5];
    uint16_t a[ONVM_BUCKETS], b[ONVM_BUCKETS];

    for (unsigned i = 0; i < 5; i++)
        forward[i] = backward[4 - i] = instance(1, i, i + 1);
    assignment_fill(forward, 5, a);
    assignment_fill(backward, 5, b);
    CHECK(moved(a, b) == 0, "%u buckets depend on the order", moved(a, b));
}

static void
check_a_full_house_with_equal_names_ends(void)
{
    struct candidate candidates[ONVM_MAX_NFS];
    uint16_t table[ONVM_BUCKETS];

    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        candidates[i] = (struct candidate){(uint16_t)(i + 7), 1, 1};
    assignment_fill(candidates, ONVM_MAX_NFS, table);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        CHECK(share(table, i) == 2, "instance %u has %u", i, share(table, i));
}

int
main(void)
{
    check_equal_weights_get_equal_shares();
    check_weights_are_shares();
    check_one_more_moves_about_its_share();
    check_order_does_not_matter();
    check_a_full_house_with_equal_names_ends();
    return check_result();
}

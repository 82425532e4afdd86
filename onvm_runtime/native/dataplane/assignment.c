/* SPDX-License-Identifier: BSD-3-Clause */
#include "assignment.h"

#include <stdbool.h>

#include "rendezvous.h"

struct matching {
    const struct candidate *candidate;
    unsigned count;
    unsigned quota[ONVM_MAX_NFS]; /* what is left of it */
    uint16_t holder[ONVM_BUCKETS];
};

/* What a candidate bids for a bucket; no two bids for one bucket are equal. */
struct bid {
    uint64_t draw;
    unsigned candidate;
};

static struct bid
bid_for(const struct matching *matching, uint32_t bucket, unsigned candidate)
{
    return (struct bid){rendezvous_draw(bucket, matching->candidate[candidate].seed), candidate};
}

static bool
lower(struct bid a, struct bid b)
{
    return a.draw != b.draw ? a.draw < b.draw : a.candidate < b.candidate;
}

/* The highest bid for the bucket below one that came to nothing. */
static struct bid
next_bid(const struct matching *matching, uint32_t bucket, struct bid limit)
{
    struct bid best = {0, ONVM_MAX_NFS};

    for (unsigned i = 0; i < matching->count; i++) {
        struct bid bid = bid_for(matching, bucket, i);
        bool stands = matching->candidate[i].weight > 0 && lower(bid, limit);
        if (stands && (best.candidate == ONVM_MAX_NFS || lower(best, bid)))
            best = bid;
    }
    return best;
}

/* Of the buckets before `end` that the candidate holds, the one for which it bid the least. */
static uint32_t
weakest(const struct matching *matching, unsigned candidate, uint32_t end)
{
    uint32_t weakest = end;

    for (uint32_t bucket = 0; bucket < end; bucket++)
        if (matching->holder[bucket] == candidate &&
            (weakest == end || bid_for(matching, bucket, candidate).draw <
                                   bid_for(matching, weakest, candidate).draw))
            weakest = bucket;
    return weakest;
}

/*
 * Finds a holder for a bucket, of those up to `last`.  Who has no quota left gives up
 * its weakest bucket for one that it bid more for; that one looks for another holder.
 */
static void
place(struct matching *matching, uint32_t bucket)
{
    uint32_t end = bucket + 1;
    struct bid limit = {UINT64_MAX, ONVM_MAX_NFS};

    for (;;) {
        struct bid bid = next_bid(matching, bucket, limit);
        uint32_t other;

        if (matching->quota[bid.candidate] > 0) {
            matching->quota[bid.candidate]--;
            matching->holder[bucket] = (uint16_t)bid.candidate;
            return;
        }
        limit = bid;
        other = weakest(matching, bid.candidate, end);
        if (other < end && bid_for(matching, other, bid.candidate).draw < bid.draw) {
            matching->holder[bucket] = (uint16_t)bid.candidate;
            limit = bid_for(matching, other, bid.candidate);
            bucket = other;
            matching->holder[bucket] = ONVM_MAX_NFS;
        }
    }
}

static uint64_t
total_weight(const struct matching *matching)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < matching->count; i++)
        total += matching->candidate[i].weight;
    return total;
}

/* The candidate whose exact share is cut short the most by its quota. */
static unsigned
most_short(const struct matching *matching, uint64_t total)
{
    unsigned most = 0;
    int64_t worst = INT64_MIN;

    for (unsigned i = 0; i < matching->count; i++) {
        int64_t missing = (int64_t)matching->candidate[i].weight * ONVM_BUCKETS -
                          (int64_t)(matching->quota[i] * total);
        bool tie = missing == worst && matching->candidate[i].seed < matching->candidate[most].seed;
        if (missing > worst || tie) {
            most = i;
            worst = missing;
        }
    }
    return most;
}

/* The method of largest remainders (Hamilton's). */
static void
set_quotas(struct matching *matching)
{
    uint64_t total = total_weight(matching);
    unsigned left = ONVM_BUCKETS;

    for (unsigned i = 0; i < matching->count; i++) {
        matching->quota[i] =
            (unsigned)(matching->candidate[i].weight * (uint64_t)ONVM_BUCKETS / total);
        left -= matching->quota[i];
    }
    for (; left > 0; left--)
        matching->quota[most_short(matching, total)]++;
}

void
assignment_fill(const struct candidate *candidate, unsigned count, uint16_t table[ONVM_BUCKETS])
{
    struct matching matching = {.candidate = candidate, .count = count};

    set_quotas(&matching);
    for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        matching.holder[bucket] = ONVM_MAX_NFS;
    for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        place(&matching, bucket);
    for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        table[bucket] = candidate[matching.holder[bucket]].nf;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include <string.h>

#define ROW sizeof(((struct balance *)NULL)->wanted[0])

void
balance_open(struct balance *balance)
{
    *balance = (struct balance){0};
    memset(balance->serves, 0xff, sizeof(balance->serves));
    memset(balance->wanted, 0xff, sizeof(balance->wanted));
}

/* Those that get new flows; when all drain, it is better that they do than that nobody does. */
static unsigned
choose_candidates(const struct candidate *instance, unsigned count, struct candidate *chosen)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        if (instance[i].weight > 0)
            chosen[n++] = instance[i];
    if (n > 0)
        return n;
    for (unsigned i = 0; i < count; i++) {
        chosen[i] = instance[i];
        chosen[i].weight = 1;
    }
    return count;
}

static void
set_wanted(struct balance *balance, unsigned service, const struct candidate *instance,
           unsigned count)
{
    struct candidate chosen[ONVM_MAX_NFS];
    unsigned n = choose_candidates(instance, count, chosen);

    if (n > 0)
        assignment_fill(chosen, n, balance->wanted[service]);
    else
        memset(balance->wanted[service], 0xff, ROW);
}

static void
replace_lost(struct balance *balance, unsigned service, const struct candidate *instance,
             unsigned count)
{
    bool lives[ONVM_MAX_NFS] = {false};

    for (unsigned i = 0; i < count; i++)
        lives[instance[i].nf] = true;
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        for (unsigned bucket = 0; bucket < ONVM_BUCKETS; bucket++) {
            uint16_t *nf = &balance->serves[service][era][bucket];
            if (*nf >= ONVM_MAX_NFS || !lives[*nf])
                *nf = balance->wanted[service][bucket];
        }
}

void
balance_set(struct balance *balance, unsigned service, bool stateful,
            const struct candidate *instance, unsigned count)
{
    balance->stateful[service] = stateful;
    set_wanted(balance, service, instance, count);
    if (stateful) {
        replace_lost(balance, service, instance, count);
        return;
    }
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        memcpy(balance->serves[service][era], balance->wanted[service], ROW);
}

static unsigned
differing_buckets(const uint16_t *a, const uint16_t *b)
{
    unsigned count = 0;

    for (unsigned bucket = 0; bucket < ONVM_BUCKETS; bucket++)
        count += a[bucket] != b[bucket];
    return count;
}

/* Buckets that an era would have to change, of the service where it is the most. */
static unsigned
difference(const struct balance *balance, unsigned era)
{
    unsigned most = 0;

    for (unsigned service = 0; service < ONVM_MAX_SERVICES; service++) {
        unsigned count = 0;
        if (memcmp(balance->serves[service][era], balance->wanted[service], ROW) != 0)
            count = differing_buckets(balance->serves[service][era], balance->wanted[service]);
        if (count > most)
            most = count;
    }
    return most;
}

/* Flows that would move, about, if the era became the present one. */
static uint64_t
cost(const struct balance *balance, const struct era_use *use, unsigned era)
{
    return ((uint64_t)use[era].flows * difference(balance, era) + ONVM_BUCKETS - 1) / ONVM_BUCKETS;
}

/* An era that flows may still be of is worse than a vacant one, however few they are. */
static uint64_t
rank(const struct balance *balance, const struct era_use *use, unsigned era)
{
    if (difference(balance, era) == 0)
        return 0;
    return use[era].vacant ? 1 : 2 + cost(balance, use, era);
}

static unsigned
choose_era(const struct balance *balance, const struct era_use *use)
{
    unsigned best = (balance->era + 1u) % ONVM_ERAS;

    for (unsigned i = 2; i < ONVM_ERAS; i++) {
        unsigned era = (balance->era + i) % ONVM_ERAS;
        if (rank(balance, use, era) < rank(balance, use, best))
            best = era;
    }
    return best;
}

void
balance_settle(struct balance *balance, const struct era_use use[ONVM_ERAS])
{
    unsigned era;

    if (difference(balance, balance->era) == 0)
        return;
    era = choose_era(balance, use);
    if (!use[era].vacant)
        balance->moved += cost(balance, use, era);
    for (unsigned service = 0; service < ONVM_MAX_SERVICES; service++)
        memcpy(balance->serves[service][era], balance->wanted[service], ROW);
    balance->era = (uint8_t)era;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rendezvous hashing (Thaler and Ravishankar, 1998): who of n instances serves a
 * bucket.  Each instance draws a number for the bucket from its own seed and the
 * highest wins, so one that comes or goes moves only the buckets that it wins:
 * about 1/n of them.  Everybody who knows the same instances decides the same.
 */
#ifndef ONVM_DATAPLANE_RENDEZVOUS_H
#define ONVM_DATAPLANE_RENDEZVOUS_H

#include <stdint.h>

/* A seed that depends on the name only (FNV-1a). */
static inline uint32_t
rendezvous_seed(const char *name)
{
    uint32_t hash = 2166136261u;

    while (*name != '\0')
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    return hash;
}

static inline uint64_t
rendezvous_draw(uint32_t bucket, uint32_t seed)
{
    uint64_t x = (uint64_t)seed << 32 | bucket;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull; /* the finaliser of SplitMix64 */
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* The place of the winner among `count` (> 0) seeds. */
static inline unsigned
rendezvous(uint32_t bucket, const uint32_t *seed, unsigned count)
{
    unsigned winner = 0;

    for (unsigned i = 1; i < count; i++)
        if (rendezvous_draw(bucket, seed[i]) > rendezvous_draw(bucket, seed[winner]))
            winner = i;
    return winner;
}

#endif

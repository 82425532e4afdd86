/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A seeded hash for keys of whole 64-bit words, and the seed.  Who cannot learn
 * the seed cannot choose packets that collide in an NF's tables.
 */
#ifndef ONVM_NF_HASH_H
#define ONVM_NF_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

static inline uint64_t
onvm_hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* `size` must be a multiple of eight. */
static inline uint32_t
onvm_hash(const void *key, size_t size, uint64_t seed)
{
    uint64_t word;

    for (size_t at = 0; at < size; at += sizeof(word)) {
        memcpy(&word, (const uint8_t *)key + at, sizeof(word));
        seed = onvm_hash_mix(seed ^ word, seed + at);
    }
    return (uint32_t)(seed ^ seed >> 32);
}

/* A seed from the kernel; early in its boot, when it has none, a fixed one. */
static inline uint64_t
onvm_hash_seed(void)
{
    uint64_t seed = 1;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = 1;
    return seed;
}

#endif

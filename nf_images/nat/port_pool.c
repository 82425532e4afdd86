/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_pool.h"

#include <string.h>

#define EVEN_PORTS 0x5555555555555555ull
#define ALL_PORTS UINT64_MAX
#define WORDS (65536u / 64)

void
port_pool_open(struct port_pool *pool, uint16_t low, uint16_t high)
{
    memset(pool, 0, sizeof(*pool));
    pool->low = low;
    pool->high = high;
    for (uint32_t port = 0; port < 65536; port++)
        if (port < low || port > high)
            pool->taken[port / 64] |= 1ull << port % 64;
}

bool
port_pool_claim(struct port_pool *pool, uint16_t port)
{
    uint64_t bit = 1ull << port % 64;

    if (pool->taken[port / 64] & bit)
        return false;
    pool->taken[port / 64] |= bit;
    return true;
}

/* The next free port among `parity`, from `from` on and around. */
static uint32_t
find(const struct port_pool *pool, uint16_t from, uint64_t parity)
{
    uint64_t behind = ALL_PORTS << from % 64; /* of the first word; its rest comes last */

    for (uint32_t i = 0; i <= WORDS; i++, behind = ALL_PORTS) {
        uint32_t word = (from / 64 + i) % WORDS;
        uint64_t free = ~pool->taken[word] & parity & behind;

        if (free)
            return word * 64 + (uint32_t)__builtin_ctzll(free);
    }
    return PORT_NONE;
}

uint32_t
port_pool_take(struct port_pool *pool, uint16_t wanted)
{
    uint32_t port = wanted;

    if (port_pool_claim(pool, wanted))
        return wanted;
    port = find(pool, wanted, wanted % 2 ? ~EVEN_PORTS : EVEN_PORTS);
    if (port == PORT_NONE)
        port = find(pool, wanted, ALL_PORTS);
    if (port != PORT_NONE)
        port_pool_claim(pool, (uint16_t)port);
    return port;
}

void
port_pool_give_back(struct port_pool *pool, uint16_t port)
{
    if (port >= pool->low && port <= pool->high)
        pool->taken[port / 64] &= ~(1ull << port % 64);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "arrivals.h"

#include <stdlib.h>

struct place {
    uint64_t tag; /* all of the key */
    uint16_t chain; /* 0: empty */
};

struct arrivals {
    uint32_t mask;
    struct place place[];
};

static uint64_t
tag_of(struct arrival_key key)
{
    return (uint64_t)key.path_id << 16 | (uint64_t)key.index << 8 | key.span;
}

/* Fibonacci hashing: keys differ mostly in their low bits. */
static uint32_t
first_place(const struct arrivals *arrivals, uint64_t tag)
{
    return (uint32_t)(tag * 0x9e3779b97f4a7c15ull >> 32) & arrivals->mask;
}

/* The place of the tag, or the empty one where it would be. */
static uint32_t
place_of(const struct arrivals *arrivals, uint64_t tag)
{
    uint32_t i = first_place(arrivals, tag);

    while (arrivals->place[i].chain != 0 && arrivals->place[i].tag != tag)
        i = (i + 1) & arrivals->mask;
    return i;
}

struct arrivals *
arrivals_new(uint32_t count)
{
    struct arrivals *arrivals;
    uint32_t size = 2;

    while (size < 2 * count)
        size *= 2;
    arrivals = calloc(1, sizeof(*arrivals) + size * sizeof(arrivals->place[0]));
    if (arrivals != NULL)
        arrivals->mask = size - 1;
    return arrivals;
}

bool
arrivals_add(struct arrivals *arrivals, struct arrival_key key, uint16_t chain)
{
    struct place *place = &arrivals->place[place_of(arrivals, tag_of(key))];

    if (place->chain != 0)
        return false;
    *place = (struct place){tag_of(key), chain};
    return true;
}

uint16_t
arrivals_find(const struct arrivals *arrivals, struct arrival_key key)
{
    return arrivals != NULL ? arrivals->place[place_of(arrivals, tag_of(key))].chain : 0;
}

void
arrivals_free(struct arrivals *arrivals)
{
    free(arrivals);
}

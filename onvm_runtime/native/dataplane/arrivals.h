/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrivals: which chain takes what comes by a link under a path id and an index.
 *
 * A closed hash table that is built once and replaced as a whole.  It is at most half
 * full and nobody but plans puts anything into it, so a look-up ends soon whatever
 * tags are sent to us.  No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_ARRIVALS_H
#define ONVM_DATAPLANE_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

struct arrival_key {
    uint8_t span;
    uint8_t index; /* 0 on a link of VLANs */
    uint32_t path_id;
};

struct arrivals;

/* Room for `count` of them; NULL: out of memory. */
struct arrivals *arrivals_new(uint32_t count);

/* False: these packets have a chain already.  At most as many as there is room for. */
bool arrivals_add(struct arrivals *arrivals, struct arrival_key key, uint16_t chain);

/* The chain; 0: none takes them.  `arrivals` may be NULL. */
uint16_t arrivals_find(const struct arrivals *arrivals, struct arrival_key key);

void arrivals_free(struct arrivals *arrivals);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes: where an NF sends what it has handled.
 *
 * One region per NF, written by the data plane, mapped read-only by the NF
 * (sealed with F_SEAL_FUTURE_WRITE, so the NF cannot map it otherwise).  Most
 * of it is never touched and takes no memory.
 *
 *   next[chain][hop]   after the NF handled `hop` of `chain` with NEXT
 *   branch[i]          after TO i; the packet keeps its chain and hop, so NEXT
 *                      at the branch continues the chain behind this NF
 *   table[t][place]    a service of several instances: the era and the flow choose
 *                      the output edge, ONVM_NO_EDGE where none is up
 *
 * An era is an assignment of a service's buckets to its instances.  A flow keeps
 * the era in which it began: the worker writes it into every descriptor of it.  So
 * when instances come and go, flows that are established stay where they are.
 * Every era has its row of every table, also one that no flow is of.
 *
 * Every entry is one aligned word, stored and loaded atomically.  An entry that
 * names an edge is stored only after the NF acknowledged ONVM_EDGE_OPEN for it,
 * and is withdrawn before ONVM_EDGE_CLOSE is sent, so a burst never finds an
 * edge that is not mapped.  A chain that changes gets a new number and new
 * entries; the old number's stay until none of its packets is on the way.
 */
#ifndef ONVM_PROTOCOL_ROUTES_H
#define ONVM_PROTOCOL_ROUTES_H

#include "abi.h"
#include "descriptor.h"

#define ONVM_NO_EDGE 0xffffu

enum onvm_route_kind {
    ONVM_ROUTE_NONE = 0,  /* drop: no_route */
    ONVM_ROUTE_HOME = 1,  /* the end of the chain: back to the data plane */
    ONVM_ROUTE_TABLE = 2, /* index: a bucket table */
};

struct onvm_route {
    uint16_t kind;
    uint16_t index;
};

struct onvm_routes {
    struct onvm_route next[ONVM_MAX_CHAINS][ONVM_MAX_HOPS];
    struct onvm_route branch[ONVM_MAX_BRANCHES];
    uint16_t table[ONVM_MAX_SERVICES][ONVM_ERAS * ONVM_BUCKETS];
};

/* The place in a table of a flow that goes by a descriptor with these flags. */
static inline unsigned
onvm_table_place(uint32_t flow, uint8_t flags)
{
    return onvm_era(flags) * ONVM_BUCKETS + flow % ONVM_BUCKETS;
}

static inline struct onvm_route
onvm_route_load(const struct onvm_route *route)
{
    union {
        uint32_t word;
        struct onvm_route route;
    } value = {.word = __atomic_load_n((const uint32_t *)(const void *)route, __ATOMIC_ACQUIRE)};

    return value.route;
}

static inline void
onvm_route_store(struct onvm_route *route, struct onvm_route wanted)
{
    union {
        struct onvm_route route;
        uint32_t word;
    } value = {.route = wanted};

    __atomic_store_n((uint32_t *)(void *)route, value.word, __ATOMIC_RELEASE);
}

#endif

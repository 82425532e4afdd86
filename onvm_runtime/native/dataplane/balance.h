/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load balancing: which instance serves which bucket of each service, in every era.
 *
 * An era is an assignment of buckets that flows began under.  Each flow keeps its era
 * (flow_table.h, descriptor.h), so when the instances of a stateful service change, a
 * new era begins: new flows take the new assignment and established ones stay where
 * they are, without anybody having to know each flow.
 *
 *   A service that is not stateful has the present assignment in all eras.
 *   An instance that is gone is replaced in all eras, by whoever has the bucket now:
 *   there is nothing to stay with.  All others keep every bucket that they had.
 *
 * There are ONVM_ERAS eras.  The next is, in this order: one that says the same already,
 * one that no flow is of any more, or the one in which the fewest flows have to move; these
 * are counted in `moved`.  Pure: it knows neither worker nor NFs.
 */
#ifndef ONVM_DATAPLANE_BALANCE_H
#define ONVM_DATAPLANE_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "assignment.h"

#define BALANCE_NOBODY 0xffffu

struct balance {
    uint16_t serves[ONVM_MAX_SERVICES][ONVM_ERAS][ONVM_BUCKETS]; /* NF ids, or BALANCE_NOBODY */
    uint16_t wanted[ONVM_MAX_SERVICES][ONVM_BUCKETS];            /* for new flows */
    bool stateful[ONVM_MAX_SERVICES];
    uint8_t era;    /* of new flows */
    uint64_t moved; /* established flows, about, that got another instance for want of eras */
};

/* How much an era is used: its flows, and whether all packets of its flows have left, too. */
struct era_use {
    uint32_t flows;
    bool vacant;
};

void balance_open(struct balance *balance);

/*
 * Sets the instances of a service.  One of weight 0 keeps the flows that it has and gets
 * no new ones, unless all have weight 0.
 */
void balance_set(struct balance *balance, unsigned service, bool stateful,
                 const struct candidate *instance, unsigned count);

/* Begins another era, where established flows would move otherwise; after all services are set. */
void balance_settle(struct balance *balance, const struct era_use use[ONVM_ERAS]);

/* Who serves a flow of an era. */
static inline uint16_t
balance_instance(const struct balance *balance, unsigned service, unsigned era, uint32_t flow)
{
    return balance->serves[service][era][flow % ONVM_BUCKETS];
}

#endif

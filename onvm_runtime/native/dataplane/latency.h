/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's part of measuring latency (protocol/histogram.h): it chooses which
 * packets are stamped, and records what they took when they come home.
 *
 * One packet of `every` is chosen, at distances that are random around that mean, so
 * that no pattern of the traffic meets always the same place in it.
 */
#ifndef ONVM_DATAPLANE_LATENCY_H
#define ONVM_DATAPLANE_LATENCY_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/histogram.h"
#include "ledger.h"
#include "region.h"
#include "trace.h"

#define LATENCY_EVERY_MAX 1000000000

struct latency {
    struct onvm_worker_latency *histograms;
    uint32_t every; /* 0: no packet */
    uint32_t next;  /* packets until the next one that is stamped */
    struct trace trace;
};

/* Whether cycles of the time stamp counter are a measure of time on this CPU. */
bool latency_clock_is_invariant(void);

void latency_set(struct latency *latency, uint32_t every);

/* Chooses and stamps frames of a burst; bit i: frame i has ONVM_FLAG_SAMPLED. */
uint64_t latency_choose(struct latency *latency, struct rte_mbuf *const *frames, uint32_t count);

static inline uint64_t
latency_sample(struct latency *latency, struct rte_mbuf *const *frames, uint32_t count)
{
    return latency->every != 0 ? latency_choose(latency, frames, count) : 0;
}

/*
 * Records the sampled packets of a burst that came home, before the ledger takes them back;
 * bit i: descriptor i is a probe's, which is left to the caller.
 */
uint64_t latency_record(struct latency *latency, const struct region *region,
                        const struct ledger *ledger, const struct onvm_descriptor *descriptors,
                        uint32_t count);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's part of traces (protocol/trace.h).  Packets are traced when they are
 * sampled; beside those that latency.h chooses, a worker samples packets of certain chains
 * when somebody asks for some.
 */
#ifndef ONVM_DATAPLANE_TRACE_H
#define ONVM_DATAPLANE_TRACE_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/histogram.h"
#include "classifier.h"
#include "failure.h"
#include "region.h"

#define TRACE_WANTED_MAX 1000

struct trace {
    struct onvm_trace *ring, *probes;
    const struct region *region;
    uint32_t first, count; /* the slice's buffers */
    uint32_t *id;          /* by buffer, of the last sampled packet in it */
    uint32_t wanted;       /* packets that are still to be sampled */
    bool wants[ONVM_MAX_CHAINS];
};

/* What came along on a link of a packet that the node before had sampled. */
struct trace_mark {
    uint32_t id; /* 0: it had not */
    uint8_t span;
};

/* Traces into the rings of `latency`, of buffers from `first` on. */
bool trace_open(struct trace *trace, struct onvm_worker_latency *latency,
                const struct region *region, uint32_t first, uint32_t count,
                struct failure *failure);
void trace_close(struct trace *trace);

/* Stamps packets that somebody waits for; bit i: frame i is sampled now. */
uint64_t trace_choose(struct trace *trace, struct rte_mbuf *const *frames,
                      const struct classification *results, uint32_t count);

/* Notes that sampled frames of a burst came by a port. */
void trace_enter(struct trace *trace, uint8_t port, struct rte_mbuf *const *frames,
                 const struct classification *results, uint64_t sampled);

/* Stamps a frame that has an id already, from the node before or as a probe, and notes it. */
void trace_arrive(struct trace *trace, uint8_t port, struct rte_mbuf *frame,
                  const struct classification *result, struct trace_mark mark);

/* Notes the end of a sampled packet, or that it then ended on its way out. */
void trace_end(struct trace *trace, uint32_t buffer, uint16_t chain, uint8_t verdict,
               uint16_t argument);

/* The id of the sampled packet in a frame's buffer. */
uint32_t trace_id(const struct trace *trace, const struct rte_mbuf *frame);

/* Whether a sampled packet, by its buffer, is a probe.  What an NF calls sampled may not be. */
bool trace_is_probe(const struct trace *trace, uint32_t buffer);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Spans as the path needs them: unwrapping what comes, wrapping what leaves (span.h). */
#ifndef ONVM_DATAPLANE_SPAN_PATH_H
#define ONVM_DATAPLANE_SPAN_PATH_H

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "../protocol/drop_reasons.h"
#include "arrivals.h"
#include "classifier.h"
#include "failure.h"
#include "trace.h"
#include "wrap.h"

struct worker;

/* A span's part of struct worker; written between two bursts. */
struct span_end {
    bool open;
    uint8_t port;
    uint32_t longest; /* bytes of a frame on the wire */
    struct wrap wrap;
};

/* Where a chain leaves to another node. */
struct exit {
    uint8_t span;
    uint8_t index;
    uint8_t ttl;
    uint32_t path_id;
};

struct span_ends {
    uint32_t at_port[ONVM_MAX_PORTS]; /* bit i: span i stands on it */
    struct span_end end[ONVM_MAX_LINKS];
    const struct arrivals *arrivals;
    struct rte_ring *mail; /* of struct letter, to the control thread */
};

/* A frame for the control thread, which frees it. */
struct letter {
    struct rte_mbuf *frame;
    uint64_t clock; /* nanoseconds; when it came */
    uint32_t port;
    uint32_t span; /* ONVM_MAX_LINKS: whichever stands on the port */
};

enum unwrapped {
    UNWRAPPED_NOT,   /* a frame like any */
    UNWRAPPED_ENTER, /* it has a chain */
    UNWRAPPED_TAKEN, /* it is gone */
};

bool span_ends_open(struct span_ends *ends, unsigned worker, struct failure *failure);
void span_ends_close(struct span_ends *ends);

/* Whether frames that come by the port need a look. */
static inline bool
span_at(const struct span_ends *ends, unsigned port)
{
    return ends->at_port[port] != 0;
}

/* Looks at a frame that came by a port with spans. */
enum unwrapped span_unwrap(struct worker *worker, uint8_t port, struct rte_mbuf *frame,
                           struct classification *result, struct trace_mark *mark);

/* Why a frame cannot leave by a link now; ONVM_DROP_REASON_COUNT: it can. */
enum onvm_drop_reason span_obstacle(const struct span_end *end, const struct rte_mbuf *frame);

/* Wraps a frame that leaves `chain` and queues it, or ends it. */
void span_leave(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
                const struct nsh *tag);

/* Nanoseconds of a clock that all threads of this node share. */
uint64_t span_clock(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the probes of a link's other end tell (probe.h): whether the link is up, how
 * long a way it is, and which ways behind it are cut off.  Times are
 * milliseconds of attention (`now`) and nanoseconds (`clock`) of clocks of our own.
 * No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_LIVENESS_H
#define ONVM_DATAPLANE_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "probe.h"

/*
 * Time as it passes for links: only while this node looks at them.  What came in while it
 * had no CPU is not read yet, and must not make it take the others for dead.
 */
struct attention {
    uint64_t looked_at; /* ms, of the node's clock */
    uint64_t ms;
};

/* To be called at every look; however long ago the last one was, at most PROBE_MS pass. */
void liveness_attend(struct attention *attention, uint64_t clock_ms);

/* A way behind the link, by path id and index as in a probe. */
struct cut_off {
    uint32_t way;
    uint64_t told_at;
};

struct liveness {
    bool heard; /* at all */
    bool hears; /* the other end said that it hears us */
    uint64_t heard_at;
    uint64_t their_clock; /* of their last probe */
    uint64_t came_at;     /* by our clock */
    uint64_t round_trip;  /* ns, of the last probe that had an echo; 0: none had */
    unsigned cut_offs;
    struct cut_off cut_off[ONVM_MAX_CHAINS];
};

/* Takes note of a probe that came at `clock`. */
void liveness_hear(struct liveness *liveness, const struct probe *probe, uint64_t now,
                   uint64_t clock);

/* Whether something came in lately, whatever the other end hears. */
bool liveness_hears(const struct liveness *liveness, uint64_t now);

/* Whether packets pass in both directions. */
bool liveness_up(const struct liveness *liveness, uint64_t now);

/* Whether the other end said lately that it cannot pass on what comes by this way. */
bool liveness_cut_off(const struct liveness *liveness, uint32_t way, uint64_t now);

/* Forgets cut-offs that were not repeated. */
void liveness_expire(struct liveness *liveness, uint64_t now);

#endif

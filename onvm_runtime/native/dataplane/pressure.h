/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backpressure: what an NF cannot keep up with is shed at ingress, before work was
 * spent on it.
 *
 * How much may be on the way.  The packets of all chains with traffic through a
 * service, wherever they are, are together no more than its window, nor than one input
 * edge holds.  So no edge behind the first overflows, however slow its NF is and
 * however long its producers work between two looks of the worker: there is no delay
 * for which a watermark would have to leave room.  Chains share alike: one that has its
 * share on the way is shed, and the others keep theirs, also at the NFs that they have
 * in common.  Edges have slots for the packets of each of several workers, so each
 * knows of its own only.
 *
 * How large a window is.  NFs that share a core take turns, and each turn costs the
 * same however many packets it is for; so a service that passes many packets gets
 * a window of what passes it in half a millisecond.  One that passes few would only
 * make them wait: it gets the smallest window.  And where chains with traffic are so
 * many that they could take all buffers, larger windows count only in part.
 *
 * One slow replica.  Packets wait in its edges until they were all of a chain's share,
 * and flows of other replicas would be shed as well.  So the worker looks at the
 * edges into instances that are not alone in their service: above the high mark one
 * is congested, until it is below the low mark.  Flows that lead to a congested
 * instance are shed, and what waits there does not count as its chain's share.
 *
 * A look costs the reading of some lines that others write, and a step for each chain,
 * so it is taken once in a while and never for a packet.
 */
#ifndef ONVM_DATAPLANE_PRESSURE_H
#define ONVM_DATAPLANE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "../protocol/edge.h"

struct classification;
struct path;
struct worker;

/* An edge into an instance that is not alone in its service. */
struct pressure_edge {
    const struct onvm_edge *edge;
    uint32_t slots;
    uint16_t nf;
    uint16_t service;
};

/* Made by the control thread; the worker reads it. */
struct pressure_edges {
    unsigned count;
    struct pressure_edge edge[];
};

struct pressure {
    uint32_t slots;    /* of an input edge, for the packets of this worker */
    uint64_t period;   /* cycles between two looks */
    uint64_t look_at;  /* TSC */
    uint32_t rated_at; /* when rates were taken, of the worker's `now` */
    unsigned chains;   /* in `chain` */
    uint16_t chain[ONVM_MAX_CHAINS];
    unsigned active; /* of them: with traffic */
    uint64_t left[ONVM_MAX_CHAINS];    /* packets that had left the chain then */
    uint32_t rate[ONVM_MAX_CHAINS];    /* packets that leave it in a millisecond */
    uint16_t load[ONVM_MAX_SERVICES];  /* chains with traffic that pass the service */
    uint32_t flow[ONVM_MAX_SERVICES];  /* packets of them in a millisecond */
    uint32_t stuck[ONVM_MAX_SERVICES]; /* packets that wait for its congested instances */
    uint32_t waiting[ONVM_MAX_NFS];    /* packets in the watched edges into the NF */
    bool congested[ONVM_MAX_NFS];
    const struct pressure_edges *edges; /* NULL: none */
    /* Who serves a flow (balance.h).  The control thread stores to it at any time: a flow
     * that is moving may be shed, or not, by where it was. */
    const uint16_t (*serves)[ONVM_ERAS][ONVM_BUCKETS];
};

/* `slots`: of an input edge, that only packets of this worker take. */
void pressure_open(struct pressure *pressure, uint32_t slots, uint64_t cycles_per_ms);

/* Follows a change of worker->path[id]. */
void pressure_note_path(struct worker *worker, uint16_t id);

/* Sets every chain's limit by what is on the way now. */
void pressure_look(struct worker *worker);

/* Whether a flow of this chain leads to a congested instance; asked while the path is shedding. */
bool pressure_blocks(const struct worker *worker, const struct path *path,
                     const struct classification *result);

#endif

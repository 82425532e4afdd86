/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking buffers back from edges that ended and from NFs that lost them.
 *
 * The sweep is the safety net under everything else: four times a second it looks for
 * buffers that have been out for longer than the lease and lie in no edge.  One
 * that it finds missing in three sweeps in a row is taken back.  A packet that
 * happens to move from an edge not yet read into one already read can be missed
 * once, not three times; and buffers that wait in the edge of a stopped NF are seen
 * there, so they stay its own.
 */
#ifndef ONVM_DATAPLANE_RECLAIM_H
#define ONVM_DATAPLANE_RECLAIM_H

#include "node.h"

struct sweep;

/*
 * Takes back what lies in an edge that nobody uses any more.  After the consumer's
 * death its first burst is left to the sweep: those packets may live on elsewhere.
 */
void reclaim_edge(struct node *node, const struct onvm_edge *edge, uint32_t slots, uint16_t nf,
                  bool consumer_died);

struct sweep *sweep_new(uint32_t buffers, struct failure *failure);
void sweep_free(struct sweep *sweep);

/* Called at every tick; does something every SWEEP_MS. */
void sweep_run(struct sweep *sweep, struct node *node);

#endif

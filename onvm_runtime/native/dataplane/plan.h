/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans: all chains and rules of a node, replaced at once.
 *
 *   read       everything is checked; a plan that is wrong changes nothing
 *   install    new chains get their routes and edges; no packet takes them yet
 *   commit     when the edges are open (or PATIENCE_MS later: an NF that does not
 *              answer must not hold up the others), the worker takes the new rules
 *              between two bursts
 *   drain      chains that are not in the plan keep their routes until none of their
 *              packets is on the way; then they are removed
 *
 * So every packet finds, from its first hop to its last, the one version of a
 * chain that it was classified into.
 */
#ifndef ONVM_DATAPLANE_PLAN_H
#define ONVM_DATAPLANE_PLAN_H

#include "node.h"

/* Begins a plan; its answer goes to `asker`.  False: nothing has changed, failure says why. */
bool plan_begin(struct node *node, json_t *request, struct asker asker, struct failure *failure);

/* Goes on with a plan that waits, and with chains that drain. */
void plan_advance(struct node *node);

#endif

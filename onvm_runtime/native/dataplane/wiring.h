/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wiring: which edges there have to be, and which routes lead over them.
 *
 * Both follow from the chains that are installed and the NFs that run.  After any
 * change of either, wiring_refresh compares what is with what should be, opens
 * what is missing, rewrites the routes and takes down what nothing needs any more.
 */
#ifndef ONVM_DATAPLANE_WIRING_H
#define ONVM_DATAPLANE_WIRING_H

#include "node.h"

void wiring_refresh(struct node *node);

/* Whether packets of the chain may pass the service: at a hop, or as a branch of one. */
bool wiring_passes(struct node *node, const struct chain *chain, uint16_t service);

/* Whether every edge that the chains need is open. */
bool wiring_settled(const struct node *node);

#endif

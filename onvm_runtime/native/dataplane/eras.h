/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eras of this node: what workers and their flow tables know of load balancing.
 *
 * balance.h decides; here its decisions meet the NFs that run, the flows that are
 * known and the packets that are out.  An era is vacant when no flow is of it, and
 * all packets that were out when its last flow went have come home.
 */
#ifndef ONVM_DATAPLANE_ERAS_H
#define ONVM_DATAPLANE_ERAS_H

#include "node.h"

void eras_open(struct node *node);

/* Takes note of the instances that serve now; before routes are written. */
void eras_refresh(struct node *node);

/* Has new flows begin in the present era; after all routes are written. */
void eras_begin(struct node *node);

/* Looks for eras that have become vacant. */
void eras_age(struct node *node);

/* Entries of all flow tables that are of an era. */
uint32_t eras_flows(const struct node *node, unsigned era);

/*
 * How many flows an instance has, about: entries of flow tables that lead to it by
 * a chain through its service.  Looks at whole tables, while the workers go on.
 */
uint32_t eras_flows_of(struct node *node, const struct nf *nf);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a plan that joins nodes: links, what arrives by them, spreads over lanes. */
#ifndef ONVM_DATAPLANE_PLAN_LINKS_H
#define ONVM_DATAPLANE_PLAN_LINKS_H

#include "plan_reading.h"

/* Reads "links"; before chains, which leave by them. */
bool plan_read_links(const struct node *node, struct plan *plan, json_t *items,
                     struct failure *failure);

/* Reads a chain's "exit". */
bool plan_read_exit(const struct plan *plan, struct chain *chain, json_t *item,
                    struct failure *failure);

/* Reads "spreads" and "arrivals"; after chains, which they lead to. */
bool plan_read_spreads(const struct node *node, struct plan *plan, json_t *items,
                       struct failure *failure);
bool plan_read_arrivals(struct plan *plan, json_t *items, struct failure *failure);

/* Releases what is still the plan's own. */
void plan_free_links(struct plan *plan);

/* Before any chain can leave by them. */
void plan_install_links(struct node *node, struct plan *plan);

/* Puts spreads into use, before rules lead to them; the old ones become the plan's. */
void plan_exchange_spreads(struct node *node, struct plan *plan);

/* Ends what the node has and the plan has not. */
void plan_retire_links(struct node *node, struct plan *plan);

#endif

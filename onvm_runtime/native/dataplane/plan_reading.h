/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan as it was read and checked, before anything of it is in effect. */
#ifndef ONVM_DATAPLANE_PLAN_READING_H
#define ONVM_DATAPLANE_PLAN_READING_H

#include "node.h"

struct plan {
    struct asker asker;
    uint64_t commit_by;
    struct ruleset *rules;
    uint16_t default_chain;
    struct chain *chain[ONVM_MAX_CHAINS]; /* those that are new */
    bool listed[ONVM_MAX_CHAINS];         /* those that the plan names, new or not */
    unsigned count;                       /* of those, in the order of the plan */
    uint16_t order[ONVM_MAX_CHAINS];

    /* plan_links.h */
    const struct node *node;
    struct span *span[ONVM_MAX_LINKS]; /* those that the plan names, new or not */
    struct spread *spread[ONVM_MAX_CHAINS];
    bool spread_listed[ONVM_MAX_CHAINS];
    unsigned arrivals;
    struct arrival *arrival;
    struct arrivals *arrival_table;
};

/* Reads and checks a plan request (control.h) against the node; NULL: failure. */
struct plan *plan_read(struct node *node, json_t *request, struct failure *failure);

/* Releases a plan and the chains that are still its own. */
void plan_free(struct plan *plan);

void chain_free(struct chain *chain);

#endif

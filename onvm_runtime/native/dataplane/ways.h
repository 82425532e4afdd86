/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways: which chains lead on, and what becomes of packets of those that do not.
 *
 * A spread stands for a chain that has several lanes, or a backup: flows are given
 * to its lanes that are not severed by rendezvous hashing, to those of its backup while
 * none is, and are shed (link_down) while there is none of those either.  So a lane that
 * goes moves only its own flows, and takes them back when it is there again.
 *
 * A lane is severed while its link or one behind it is down, or while a service of it has
 * no instance, here or on a later node.
 *
 * A packet whose flow has a lane already finds it severed: it takes the lane that its
 * spread has for it now.  One of a chain without a spread is shed where it would enter,
 * not half of the way.
 *
 * A spread has a number among chain ids, since rules lead to it as to a chain.
 */
#ifndef ONVM_DATAPLANE_WAYS_H
#define ONVM_DATAPLANE_WAYS_H

#include "node.h"

#define WAYS_SHED 0xffffu /* as path.detour: there is no other way */

struct spread {
    uint16_t id;
    char name[ONVM_NAME_MAX];
    unsigned lanes, backups;
    uint16_t lane[2 * ONVM_MAX_LANES]; /* chain ids; the backups follow the lanes */
    uint16_t *table;                   /* ONVM_BUCKETS chain ids, 0: none; workers read it */
};

/* Reads one item of "spreads" in a plan; NULL: failure says what is wrong. */
struct spread *spread_read(json_t *item, struct failure *failure);

void spread_free(struct spread *spread);

/* Whether packets of a chain do not get through this node, or not on from it. */
bool ways_severed(const struct node *node, const struct chain *chain);

/* Whether that is so of other chains than when they were given their ways. */
bool ways_changed(const struct node *node);

/* Gives every spread and every chain the way that it has now; after plans and changes. */
void ways_refresh(struct node *node);

#endif

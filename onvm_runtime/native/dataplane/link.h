/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A link: the life of one edge, from the control thread's side.
 *
 * Each end goes through
 *
 *   closed -> opening -> open -> closing -> gone
 *
 * An NF's end moves from opening to open, and from closing to gone, when the NF
 * acknowledges (session.h); it is gone at once when the NF dies.  A worker's end
 * opens and closes within a worker_call.
 *
 * A link is usable (routes may name it) while it is wanted and both ends are open.
 * One that is not wanted any more is taken down in this order, so that nothing in
 * it is lost and nobody touches unmapped memory:
 *
 *   1. no route names it           wiring.c, before link_advance is called
 *   2. the producer closes         it will put nothing more into the edge
 *   3. the consumer empties it     given DRAIN_MS, if it lives
 *   4. the consumer closes
 *   5. what is left is reclaimed, the memory is released
 */
#ifndef ONVM_DATAPLANE_LINK_H
#define ONVM_DATAPLANE_LINK_H

#include "../protocol/session.h"
#include "node.h"

#define LINK_SLOTS 8192 /* of every edge into an NF, for the packets of each worker */

enum link_end {
    LINK_CLOSED,
    LINK_OPENING,
    LINK_OPEN,
    LINK_CLOSING,
    LINK_GONE,
};

struct link {
    struct link *next;
    struct nf *from; /* NULL: a worker */
    unsigned worker; /* which, if one is its producer */
    struct nf *to;   /* NULL: an NF that is gone */
    uint16_t to_id;
    struct shared edge;
    uint32_t slots;
    bool wanted;
    bool consumer_died; /* its first burst may live on: leave it to the sweep */
    bool worker_made;   /* its producer is a worker */
    bool late;          /* its ends take too long to open: nobody waits for it any more */
    uint64_t late_at;
    enum link_end producer;
    enum link_end consumer;
    uint16_t out_slot; /* in the producer's table */
    uint16_t in_slot;  /* in the consumer's */
    uint64_t drain_by; /* when step 3 ends anyhow */
};

/* Who puts descriptors into an edge. */
struct producer {
    struct nf *nf;   /* NULL: a worker */
    unsigned worker; /* which; 0 where an NF is meant */
};

static inline bool
link_comes_from(const struct link *link, struct producer producer)
{
    return link->from == producer.nf && link->worker == producer.worker;
}

/* The link from a producer to an NF, if it is wanted; or NULL. */
struct link *link_find(const struct node *node, struct producer from, const struct nf *to);

/* Makes a link and begins to open its ends; NULL with the reason. */
struct link *link_open(struct node *node, struct producer from, struct nf *to,
                       struct failure *failure);

/* Whether it is about to become usable. */
static inline bool
link_opening(const struct link *link)
{
    return link->wanted && !link->late &&
           (link->producer != LINK_OPEN || link->consumer != LINK_OPEN);
}

static inline bool
link_usable(const struct link *link)
{
    return link->wanted && link->producer == LINK_OPEN && link->consumer == LINK_OPEN;
}

/* An NF acknowledged the opening or closing of a slot; false: it had nothing to acknowledge. */
bool link_acknowledge(struct node *node, struct nf *nf, uint32_t role, uint32_t slot);

/* The NF's session ended: its ends are gone. */
void link_forget_nf(struct node *node, struct nf *nf);

/* Descriptors that wait in the input edges of an NF. */
uint32_t link_waiting(const struct node *node, const struct nf *nf);

/* Gives up waiting for links whose ends do not open; whether there was a new one. */
bool link_mark_late(struct node *node);

/* Takes unwanted links further down, and releases those that are finished. */
void link_advance_all(struct node *node);

#endif

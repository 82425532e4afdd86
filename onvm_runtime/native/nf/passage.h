/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A passage: one burst on its way through the NFs of this process, from the ring
 * that it was peeked in to the rings that it is posted to.
 */
#ifndef ONVM_NF_PASSAGE_H
#define ONVM_NF_PASSAGE_H

#include "group.h"

struct passage {
    struct onvm_burst burst;
    uint64_t bytes;  /* of the burst */
    uint8_t further; /* descriptors in burst.further */
    uint8_t flags;   /* of all its packets */
    uint8_t ahead;   /* hops that the burst went on since its descriptors said so */
    bool together;   /* the burst has one chain and hop, and no runs */
    bool one_flow;   /* or flows that tables cannot tell apart */
};

/*
 * Begins a passage at a member with descriptors that stay peeked.  Returns how many
 * of the `ready` ones it took: a run is not cut.
 */
uint32_t passage_gather(struct passage *passage, struct member *member,
                        struct onvm_consumer *consumer, uint32_t ready);

/* Lets the descriptors say at which hop the burst is. */
void passage_settle(struct passage *passage);

/* Has a member handle the burst and post it; the passage is used up. */
void passage_handle(struct passage *passage, struct member *member);

/*
 * Gives a burst without runs to a member of the same process, one hop further, as if it
 * had passed a ring and been peeked there.
 */
void passage_go_on(struct passage *passage, struct member *member);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting: where each packet of a burst goes, by its verdict and the routes.
 *
 * A burst that stays together (one chain and hop, every verdict NEXT, one edge)
 * costs one route look-up, one look at the edge and one publication.  Any other
 * burst is posted packet by packet and published at its end.  A packet of several
 * segments goes whole or, where the edge has no room for all of them, home.
 *
 * Where the next NF is in this process and its end of the edge is empty, the burst
 * goes to it in place of the ring: then and there, with the same descriptors and
 * the same counts.  It takes the ring all the same when that NF would not take it
 * from there now (no room on its home edges), or is busy with the burst of which
 * this one is a part: so passages end, whatever the routes say.
 *
 * The caller has made sure of room for the whole burst on every home edge.
 */
#ifndef ONVM_NF_POST_H
#define ONVM_NF_POST_H

#include "passage.h"

/* Posts a burst that the member has handled; the passage is used up. */
void post_burst(struct passage *passage, struct member *member);

/* Sends a descriptor home that no handler may see. */
void post_refusal(struct attachment *attachment, struct onvm_descriptor descriptor,
                  enum onvm_drop_reason reason);

#endif

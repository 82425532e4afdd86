/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting: where each packet of a burst goes, by its verdict and the routes.
 *
 * A burst that stays together (one chain and hop, every verdict NEXT, one edge)
 * costs one route look-up, one look at the edge and one publication.  Any other
 * burst is posted packet by packet and published at its end.  A packet of several
 * segments goes whole or, where the edge has no room for all of them, home.
 *
 * The caller has made sure of room for the whole burst on the home edge.
 */
#ifndef ONVM_NF_POST_H
#define ONVM_NF_POST_H

#include "attachment.h"
#include "nf.h"

/* `together`: all packets of the burst have the same chain and hop, and one segment. */
void post_burst(struct attachment *attachment, const struct onvm_burst *burst, bool together);

/* Sends a descriptor home that no handler may see. */
void post_refusal(struct attachment *attachment, struct onvm_descriptor descriptor,
                  enum onvm_drop_reason reason);

#endif

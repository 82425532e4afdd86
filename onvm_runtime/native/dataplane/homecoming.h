/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that come home and are looked at one by one: the ledger says whether each
 * buffer is ours again, then the NF's verdict on the packet is carried out.
 *
 * What names no buffer that is out, or says what cannot be of one that is, is its NF's
 * fault, and counted as that.
 */
#ifndef ONVM_DATAPLANE_HOMECOMING_H
#define ONVM_DATAPLANE_HOMECOMING_H

#include "worker.h"

#define SHORTEST_FRAME 14

/* Receives a packet of one segment. */
void homecoming_one(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor);

/* The same for a probe, which goes to the end of its way and no further. */
void homecoming_probe(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor);

/* Receives a burst with packets of several segments; returns the descriptors taken. */
uint32_t homecoming_runs(struct worker *worker, struct inlet *inlet, uint32_t count);

/* Makes the mbuf say what its descriptor says; a device's notes of its reception are void. */
static inline void
describe_frame(struct rte_mbuf *frame, uint16_t offset, uint16_t length, uint32_t whole)
{
    frame->data_off = offset;
    frame->data_len = length;
    frame->pkt_len = whole;
    frame->ol_flags = 0;
}

#endif

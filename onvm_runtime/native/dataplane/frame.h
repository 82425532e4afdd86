/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of one or several buffers of the packet region. */
#ifndef ONVM_DATAPLANE_FRAME_H
#define ONVM_DATAPLANE_FRAME_H

#include <rte_mbuf.h>

/* Bytes of a frame that one buffer of a pool takes. */
static inline uint32_t
frame_room(struct rte_mempool *pool)
{
    return rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
}

/* Buffers, chained, for a frame of `length` bytes; NULL: there are not enough now. */
struct rte_mbuf *frame_new(struct rte_mempool *pool, uint32_t length);

/* Fills all of the frame's buffers from contiguous bytes. */
void frame_fill(struct rte_mbuf *frame, const uint8_t *data);

/* The frame in one buffer, the old ones freed; NULL: there is none, or it is too small. */
struct rte_mbuf *frame_linearise(struct rte_mempool *pool, struct rte_mbuf *frame);

#endif

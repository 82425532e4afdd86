/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <string.h>

#include "../protocol/abi.h"

static void
chain(struct rte_mbuf **part, unsigned count, uint32_t length, uint32_t room)
{
    part[0]->nb_segs = (uint16_t)count;
    part[0]->pkt_len = length;
    for (unsigned i = 0; i < count; i++) {
        part[i]->data_len = (uint16_t)RTE_MIN(length, room);
        part[i]->next = i + 1 < count ? part[i + 1] : NULL;
        length -= part[i]->data_len;
    }
}

struct rte_mbuf *
frame_new(struct rte_mempool *pool, uint32_t length)
{
    struct rte_mbuf *part[ONVM_MAX_SEGMENTS];
    uint32_t room = frame_room(pool), count = (length + room - 1) / room;

    if (count > ONVM_MAX_SEGMENTS || rte_pktmbuf_alloc_bulk(pool, part, count) != 0)
        return NULL;
    chain(part, count, length, room);
    return part[0];
}

void
frame_fill(struct rte_mbuf *frame, const uint8_t *data)
{
    for (; frame != NULL; frame = frame->next) {
        memcpy(rte_pktmbuf_mtod(frame, uint8_t *), data, frame->data_len);
        data += frame->data_len;
    }
}

struct rte_mbuf *
frame_linearise(struct rte_mempool *pool, struct rte_mbuf *frame)
{
    struct rte_mbuf *whole;
    uint8_t *to;

    if (frame->pkt_len > frame_room(pool))
        return NULL;
    whole = frame_new(pool, frame->pkt_len);
    if (whole == NULL)
        return NULL;
    to = rte_pktmbuf_mtod(whole, uint8_t *);
    for (struct rte_mbuf *part = frame; part != NULL; part = part->next) {
        memcpy(to, rte_pktmbuf_mtod(part, const uint8_t *), part->data_len);
        to += part->data_len;
    }
    rte_pktmbuf_free(frame);
    return whole;
}

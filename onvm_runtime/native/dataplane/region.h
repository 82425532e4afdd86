/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet region: the memory that frames are received into and that NFs map.
 *
 * A sealed memfd of huge pages (of ordinary ones in --no-huge mode), cut into
 * buffers of one stride.  DPDK receives straight into it through a pool with
 * pinned external buffers, so packet bytes are shared with NFs while the mbufs,
 * which hold pointers, stay private to this process.
 */
#ifndef ONVM_DATAPLANE_REGION_H
#define ONVM_DATAPLANE_REGION_H

#include <rte_dev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct region {
    int fd;
    uint8_t *base;
    size_t size;
    size_t page;              /* bytes of one page behind it */
    uint32_t stride;          /* bytes from one buffer to the next; a multiple of a cache line */
    uint32_t buffers;         /* in the pool */
    uint32_t indices;         /* every buffer index is below this */
    uint64_t reciprocal;      /* for region_index */
    struct rte_mempool *pool; /* mbufs whose data lie here, and nowhere else */
    struct rte_mbuf **mbuf;   /* by buffer index; NULL where none lies */
};

/* Makes and maps the region, registers it with DPDK and builds the pool. */
bool region_open(struct region *region, uint32_t buffers, uint32_t stride, bool hugepages,
                 struct failure *failure);

/* Lets a device reach the region by DMA; must precede its queue set-up. */
bool region_map_device(const struct region *region, struct rte_device *device,
                       struct failure *failure);

/* Which buffer holds this mbuf's data; the mbuf must come from region->pool. */
static inline uint32_t
region_index(const struct region *region, const struct rte_mbuf *mbuf)
{
    uint64_t lines = (uint64_t)((uint8_t *)mbuf->buf_addr - region->base) / 64;

    return (uint32_t)((lines * region->reciprocal) >> 32);
}

#endif

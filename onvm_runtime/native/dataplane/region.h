/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet region: the memory that frames are received into and that NFs map.
 *
 * One range of addresses, cut into buffers of one stride, so that buffer i lies at
 * i * stride.  It consists of slices, one for each worker: a sealed memfd of huge
 * pages (of ordinary ones in --no-huge mode) on the worker's socket, and a pool.
 * Slice w begins at buffer w << slice_shift, where a page begins; what lies between
 * its end and the next slice is never mapped.
 *
 * DPDK receives straight into a slice through its pool with pinned external buffers,
 * so packet bytes are shared with NFs while the mbufs, which hold pointers, stay
 * private to this process.
 */
#ifndef ONVM_DATAPLANE_REGION_H
#define ONVM_DATAPLANE_REGION_H

#include <rte_dev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "failure.h"

struct slice {
    int fd;
    int socket;               /* NUMA node that it is to lie on */
    uint32_t first;           /* its first buffer */
    uint8_t *base;            /* where that lies */
    struct rte_mempool *pool; /* mbufs whose data lie here, and nowhere else */
};

/* What the region is to be. */
struct region_layout {
    unsigned slices;
    uint32_t buffers; /* of each slice */
    uint32_t stride;  /* bytes from one buffer to the next; a multiple of a cache line */
    bool hugepages;
    int socket[ONVM_MAX_WORKERS]; /* by slice; -1: any */
};

struct region {
    struct region_layout layout;
    uint8_t *base;
    size_t page;            /* bytes of one page behind it */
    size_t slice_size;      /* bytes of one slice */
    uint32_t slice_indices; /* buffers of a slice are numbered below this from its first on */
    unsigned slice_shift;   /* 24 where there is one slice */
    uint32_t indices;       /* every buffer index is below this */
    uint64_t reciprocal;    /* for region_index */
    struct rte_mbuf **mbuf; /* by buffer index; NULL where none lies */
    struct slice slice[ONVM_MAX_WORKERS];
};

/* Makes and maps the region, registers it with DPDK and builds the pools. */
bool region_open(struct region *region, const struct region_layout *layout,
                 struct failure *failure);

/* Buffers of all slices. */
static inline uint32_t
region_buffers(const struct region *region)
{
    return region->layout.slices * region->layout.buffers;
}

/* Lets a device reach the region by DMA; must precede its queue set-up. */
bool region_map_device(const struct region *region, struct rte_device *device,
                       struct failure *failure);

/* Which buffer holds this mbuf's data; the mbuf must come from a slice's pool. */
static inline uint32_t
region_index(const struct region *region, const struct rte_mbuf *mbuf)
{
    uint64_t lines = (uint64_t)((uint8_t *)mbuf->buf_addr - region->base) / 64;

    return (uint32_t)((lines * region->reciprocal) >> 32);
}

#endif

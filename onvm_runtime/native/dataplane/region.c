/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order matters here, and getting it wrong fails silently on some devices:
 * map, seal, register with DPDK, map for each device's DMA, then build the pool
 * and start queues.  The region lies low because an emulated or small IOMMU may
 * translate 39 bits only.
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_ADDRESS ((void *)0x2000000000ull) /* within 39 bits */
#define HUGE_PAGE (2u << 20)
#define POOL_CACHE 256

static size_t
round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/*
 * Buffer i lies at i * stride.  In PA mode memory is contiguous within a page only,
 * and a buffer that would cross into the next page is left out of the pool.
 */
static size_t
bytes_needed(const struct region *region)
{
    if (rte_eal_iova_mode() == RTE_IOVA_PA) {
        size_t each = region->page / region->stride - 1;
        return (region->buffers + each - 1) / each * region->page;
    }
    return round_up((size_t)region->buffers * region->stride, region->page);
}

/* Low if that place is free; where it is not, only a small IOMMU minds, and says so later. */
static void *
map_low(const struct region *region)
{
    int flags = MAP_SHARED | MAP_POPULATE;
    void *base = mmap(REGION_ADDRESS, region->size, PROT_READ | PROT_WRITE,
                      flags | MAP_FIXED_NOREPLACE, region->fd, 0);

    if (base == MAP_FAILED && errno == EEXIST)
        base = mmap(NULL, region->size, PROT_READ | PROT_WRITE, flags, region->fd, 0);
    return base;
}

static bool
map_memory(struct region *region, bool hugepages, struct failure *failure)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (hugepages ? MFD_HUGETLB : 0);

    region->fd = memfd_create("onvm-region", flags);
    if (region->fd < 0 || ftruncate(region->fd, (off_t)region->size) != 0)
        return fail(failure, "cannot make a packet region of %zu MiB: %s", region->size >> 20,
                    strerror(errno));
    region->base = map_low(region);
    if (region->base == MAP_FAILED)
        return fail(failure,
                    "cannot map a packet region of %zu MiB on %s pages: %s; reserve more huge "
                    "pages or configure fewer buffers",
                    region->size >> 20, hugepages ? "huge" : "ordinary", strerror(errno));
    if (fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(failure, "cannot seal the packet region: %s", strerror(errno));
    return true;
}

static rte_iova_t
page_iova(const struct region *region, size_t page)
{
    void *address = region->base + page * region->page;

    return rte_eal_iova_mode() == RTE_IOVA_PA ? rte_mem_virt2iova(address)
                                              : (rte_iova_t)(uintptr_t)address;
}

static bool
register_memory(const struct region *region, struct failure *failure)
{
    size_t pages = region->size / region->page;
    rte_iova_t *iova = calloc(pages, sizeof(*iova));
    int result;

    if (iova == NULL)
        return fail(failure, "out of memory for the packet region's page table");
    for (size_t i = 0; i < pages; i++)
        iova[i] = page_iova(region, i);
    result = rte_extmem_register(region->base, region->size, iova, (unsigned)pages, region->page);
    free(iova);
    if (result != 0)
        return fail(failure, "DPDK does not accept the packet region: %s", rte_strerror(rte_errno));
    return true;
}

/* The whole buffers that lie between two offsets, as an area of the pool. */
static struct rte_pktmbuf_extmem
describe_area(const struct region *region, size_t from, size_t to)
{
    size_t first = round_up(from, region->stride);

    return (struct rte_pktmbuf_extmem){
        .buf_ptr = region->base + first,
        .buf_iova = page_iova(region, from / region->page) + (first - from),
        .buf_len = (to - first) / region->stride * region->stride,
        .elt_size = (uint16_t)region->stride,
    };
}

/* One area where memory is contiguous for devices, else one for each page. */
static struct rte_pktmbuf_extmem *
describe_areas(const struct region *region, unsigned *count)
{
    size_t length = rte_eal_iova_mode() == RTE_IOVA_PA ? region->page : region->size;
    struct rte_pktmbuf_extmem *areas;

    *count = (unsigned)(region->size / length);
    areas = calloc(*count, sizeof(*areas));
    for (unsigned i = 0; areas != NULL && i < *count; i++)
        areas[i] = describe_area(region, i * length, (i + 1) * length);
    return areas;
}

static bool
build_pool(struct region *region, struct failure *failure)
{
    unsigned count;
    struct rte_pktmbuf_extmem *areas = describe_areas(region, &count);

    if (areas == NULL)
        return fail(failure, "out of memory for the packet region's areas");
    region->pool = rte_pktmbuf_pool_create_extbuf("onvm-packets", region->buffers, POOL_CACHE, 0,
                                                  (uint16_t)region->stride, SOCKET_ID_ANY, areas,
                                                  count);
    free(areas);
    if (region->pool == NULL)
        return fail(failure, "cannot make a pool of %u packet buffers: %s", region->buffers,
                    rte_strerror(rte_errno));
    return true;
}

static void
note_mbuf(struct rte_mempool *pool, void *context, void *object, unsigned number)
{
    struct region *region = context;
    struct rte_mbuf *mbuf = object;

    (void)pool;
    (void)number;
    region->mbuf[region_index(region, mbuf)] = mbuf;
}

bool
region_open(struct region *region, uint32_t buffers, uint32_t stride, bool hugepages,
            struct failure *failure)
{
    *region = (struct region){.fd = -1, .buffers = buffers, .stride = stride};
    region->page = hugepages ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
    region->size = bytes_needed(region);
    if (!map_memory(region, hugepages, failure) || !register_memory(region, failure) ||
        !build_pool(region, failure))
        return false;
    region->indices = (uint32_t)(region->size / stride);
    region->mbuf = calloc(region->indices, sizeof(region->mbuf[0]));
    if (region->mbuf == NULL)
        return fail(failure, "out of memory for %u packet buffers", buffers);
    region->reciprocal = (1ull << 32) / (stride / 64) + 1;
    rte_mempool_obj_iter(region->pool, note_mbuf, region);
    return true;
}

bool
region_map_device(const struct region *region, struct rte_device *device, struct failure *failure)
{
    for (size_t page = 0; page < region->size / region->page; page++) {
        void *address = region->base + page * region->page;
        if (rte_dev_dma_map(device, address, page_iova(region, page), region->page) == 0)
            continue;
        if (rte_errno == ENOTSUP) /* its bus needs no mapping */
            return true;
        return fail(failure, "the device cannot reach the packet region by DMA: %s",
                    rte_strerror(rte_errno));
    }
    return true;
}

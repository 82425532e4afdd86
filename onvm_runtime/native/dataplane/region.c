/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order matters here, and getting it wrong fails silently on some devices:
 * map, seal, register with DPDK, map for each device's DMA, then build the pools
 * and start queues.  The region lies low because an emulated or small IOMMU may
 * translate 39 bits only.
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "placement.h"

#define LOWEST_ADDRESS (4ull << 30)
#define ADDRESS_LIMIT (1ull << 39)
#define ADDRESS_STEP (1ull << 30)
#define HUGE_PAGE (2u << 20)
#define POOL_CACHE 256
#define INDEX_BITS 24 /* of a descriptor's buffer */

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
slice_bytes(const struct region *region)
{
    const struct region_layout *layout = &region->layout;

    if (rte_eal_iova_mode() == RTE_IOVA_PA) {
        size_t each = region->page / layout->stride - 1;
        return (layout->buffers + each - 1) / each * region->page;
    }
    return round_up((size_t)layout->buffers * layout->stride, region->page);
}

/* The smallest power of two of buffers that has room for a slice and ends with a page. */
static unsigned
smallest_shift(const struct region *region)
{
    unsigned shift = 0;

    while (1ull << shift < region->slice_indices ||
           ((uint64_t)region->layout.stride << shift) % region->page != 0)
        shift++;
    return shift;
}

static bool
lay_out(struct region *region, struct failure *failure)
{
    unsigned slices = region->layout.slices;
    uint32_t lines = region->layout.stride / 64;

    region->page = region->layout.hugepages ? HUGE_PAGE : (size_t)sysconf(_SC_PAGESIZE);
    region->slice_size = slice_bytes(region);
    region->slice_indices = (uint32_t)(region->slice_size / region->layout.stride);
    region->slice_shift = slices == 1 ? INDEX_BITS : smallest_shift(region);
    region->indices = ((slices - 1) << region->slice_shift) + region->slice_indices;
    region->reciprocal = (1ull << 32) / lines + 1;
    if (region->indices <= 1u << INDEX_BITS && (uint64_t)region->indices * lines < 1ull << 32)
        return true;
    return fail(failure, "%u slices of %u packet buffers of %u bytes are more than can be named; "
                "configure fewer buffers", slices, region->layout.buffers, region->layout.stride);
}

static void *
reserve_at(uint64_t address, size_t size, int flags)
{
    flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap((void *)(uintptr_t)address, size, PROT_NONE, flags, -1, 0);
}

/*
 * At the lowest place that is free: DPDK reserves more than 100 GiB for itself, from 4 GiB
 * on.  Where there is none, only a small IOMMU minds, and says so later.
 */
static void *
reserve_low(size_t size)
{
    for (uint64_t address = LOWEST_ADDRESS; address + size <= ADDRESS_LIMIT;
         address += ADDRESS_STEP) {
        void *base = reserve_at(address, size, MAP_FIXED_NOREPLACE);

        if (base != MAP_FAILED || errno != EEXIST)
            return base;
    }
    return reserve_at(0, size, 0);
}

/* Takes the addresses of the whole region. */
static bool
reserve_addresses(struct region *region, struct failure *failure)
{
    size_t size = (size_t)region->indices * region->layout.stride + 2 * HUGE_PAGE;
    void *base = reserve_low(size);

    if (base == MAP_FAILED)
        return fail(failure, "cannot reserve %zu MiB of addresses for the packet region: %s",
                    size >> 20, strerror(errno));
    region->base = (uint8_t *)round_up((uintptr_t)base, HUGE_PAGE);
    return true;
}

static void *
map_pages(const struct region *region, const struct slice *slice)
{
    return mmap(slice->base, region->slice_size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_POPULATE | MAP_FIXED, slice->fd, 0);
}

/* Takes the slice's pages from its socket while there are any; from elsewhere they are slower. */
static void *
map_placed(const struct region *region, const struct slice *slice)
{
    bool preferred = placement_prefer(slice->socket);
    int error = errno;
    void *base = map_pages(region, slice);
    int socket = base != MAP_FAILED ? placement_of(base) : slice->socket;

    if (!preferred)
        RTE_LOG(WARNING, USER1, "NUMA node %d cannot be asked for packet buffers: %s\n",
                slice->socket, strerror(error));
    else if (socket != slice->socket)
        RTE_LOG(WARNING, USER1, "NUMA node %d has no room for packet buffers; they lie on %d\n",
                slice->socket, socket);
    error = errno;
    placement_prefer(-1);
    errno = error;
    return base;
}

static bool
map_slice(const struct region *region, struct slice *slice, struct failure *failure)
{
    bool hugepages = region->layout.hugepages;
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (hugepages ? MFD_HUGETLB : 0);

    slice->fd = memfd_create("onvm-region", flags);
    if (slice->fd < 0 || ftruncate(slice->fd, (off_t)region->slice_size) != 0)
        return fail(failure, "cannot make %zu MiB of packet buffers: %s", region->slice_size >> 20,
                    strerror(errno));
    if ((slice->socket >= 0 ? map_placed(region, slice) : map_pages(region, slice)) == MAP_FAILED)
        return fail(failure,
                    "cannot map %zu MiB of packet buffers on %s pages: %s; reserve more huge "
                    "pages or configure fewer buffers",
                    region->slice_size >> 20, hugepages ? "huge" : "ordinary", strerror(errno));
    if (fcntl(slice->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(failure, "cannot seal the packet region: %s", strerror(errno));
    return true;
}

static rte_iova_t
page_iova(const struct slice *slice, const struct region *region, size_t page)
{
    void *address = slice->base + page * region->page;

    return rte_eal_iova_mode() == RTE_IOVA_PA ? rte_mem_virt2iova(address)
                                              : (rte_iova_t)(uintptr_t)address;
}

static bool
register_slice(const struct region *region, const struct slice *slice, struct failure *failure)
{
    size_t pages = region->slice_size / region->page;
    rte_iova_t *iova = calloc(pages, sizeof(*iova));
    int result;

    if (iova == NULL)
        return fail(failure, "out of memory for the packet region's page table");
    for (size_t i = 0; i < pages; i++)
        iova[i] = page_iova(slice, region, i);
    result = rte_extmem_register(slice->base, region->slice_size, iova, (unsigned)pages,
                                 region->page);
    free(iova);
    if (result != 0)
        return fail(failure, "DPDK does not accept the packet region: %s", rte_strerror(rte_errno));
    return true;
}

/* The whole buffers that lie between two offsets, as an area of the pool. */
static struct rte_pktmbuf_extmem
describe_area(const struct region *region, const struct slice *slice, size_t from, size_t to)
{
    uint32_t stride = region->layout.stride;
    size_t first = round_up(from, stride);

    return (struct rte_pktmbuf_extmem){
        .buf_ptr = slice->base + first,
        .buf_iova = page_iova(slice, region, from / region->page) + (first - from),
        .buf_len = (to - first) / stride * stride,
        .elt_size = (uint16_t)stride,
    };
}

/* One area where memory is contiguous for devices, else one for each page. */
static struct rte_pktmbuf_extmem *
describe_areas(const struct region *region, const struct slice *slice, unsigned *count)
{
    size_t length = rte_eal_iova_mode() == RTE_IOVA_PA ? region->page : region->slice_size;
    struct rte_pktmbuf_extmem *areas;

    *count = (unsigned)(region->slice_size / length);
    areas = calloc(*count, sizeof(*areas));
    for (unsigned i = 0; areas != NULL && i < *count; i++)
        areas[i] = describe_area(region, slice, i * length, (i + 1) * length);
    return areas;
}

/* The slice's socket as DPDK knows it; it may not know all that the topology names. */
static int
pool_socket(const struct slice *slice)
{
    for (unsigned i = 0; i < rte_socket_count(); i++)
        if (rte_socket_id_by_idx(i) == slice->socket)
            return slice->socket;
    return SOCKET_ID_ANY;
}

static bool
build_pool(const struct region *region, struct slice *slice, struct failure *failure)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    unsigned count;
    struct rte_pktmbuf_extmem *areas = describe_areas(region, slice, &count);

    if (areas == NULL)
        return fail(failure, "out of memory for the packet region's areas");
    snprintf(name, sizeof(name), "onvm-packets-%u", (unsigned)(slice - region->slice));
    slice->pool = rte_pktmbuf_pool_create_extbuf(name, region->layout.buffers, POOL_CACHE, 0,
                                                 (uint16_t)region->layout.stride,
                                                 pool_socket(slice), areas, count);
    free(areas);
    if (slice->pool == NULL)
        return fail(failure, "cannot make a pool of %u packet buffers: %s", region->layout.buffers,
                    rte_strerror(rte_errno));
    return true;
}

/*
 * Without RTE_MBUF_F_EXTERNAL, which a reception by e1000 or virtio clears anyhow, DPDK frees
 * the mbuf as one with a buffer of its own, without looking at what it shares with
 * whom.  Nobody clones or attaches such an mbuf (rte_mbuf_core.h).
 */
static void
note_mbuf(struct rte_mempool *pool, void *context, void *object, unsigned number)
{
    struct region *region = context;
    struct rte_mbuf *mbuf = object;

    (void)pool;
    (void)number;
    mbuf->ol_flags = 0;
    region->mbuf[region_index(region, mbuf)] = mbuf;
}

static bool
open_slice(struct region *region, unsigned number, struct failure *failure)
{
    struct slice *slice = &region->slice[number];

    *slice = (struct slice){
        .fd = -1, .socket = region->layout.socket[number], .first = number << region->slice_shift};
    slice->base = region->base + (size_t)slice->first * region->layout.stride;
    if (!map_slice(region, slice, failure) || !register_slice(region, slice, failure) ||
        !build_pool(region, slice, failure))
        return false;
    rte_mempool_obj_iter(slice->pool, note_mbuf, region);
    return true;
}

bool
region_open(struct region *region, const struct region_layout *layout, struct failure *failure)
{
    *region = (struct region){.layout = *layout};
    if (!lay_out(region, failure) || !reserve_addresses(region, failure))
        return false;
    region->mbuf = calloc(region->indices, sizeof(region->mbuf[0]));
    if (region->mbuf == NULL)
        return fail(failure, "out of memory for %u packet buffers", region_buffers(region));
    for (unsigned i = 0; i < layout->slices; i++)
        if (!open_slice(region, i, failure))
            return false;
    return true;
}

/* Where a mapping fails, vfio may set no error: an older one must not pass for its. */
static bool
map_page(const struct region *region, const struct slice *slice, size_t page,
         struct rte_device *device)
{
    rte_errno = 0;
    return rte_dev_dma_map(device, slice->base + page * region->page,
                           page_iova(slice, region, page), region->page) == 0;
}

bool
region_map_device(const struct region *region, struct rte_device *device, struct failure *failure)
{
    for (unsigned i = 0; i < region->layout.slices; i++)
        for (size_t page = 0; page < region->slice_size / region->page; page++) {
            if (map_page(region, &region->slice[i], page, device))
                continue;
            if (rte_errno == ENOTSUP) /* its bus needs no mapping */
                return true;
            return fail(failure,
                        "the device cannot reach packet buffers by DMA: page %zu of %zu was not "
                        "mapped (%s); configure fewer buffers, or raise dma_entry_limit of "
                        "vfio_iommu_type1",
                        page + 1, region->slice_size / region->page,
                        rte_errno != 0 ? rte_strerror(rte_errno) : "vfio gives no reason");
        }
    return true;
}

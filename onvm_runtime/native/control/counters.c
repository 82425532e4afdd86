/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "control.h"

/* How every region begins. */
struct preamble {
    uint64_t magic;
    uint32_t abi;
};

_Static_assert(offsetof(struct onvm_node_counters, abi) == offsetof(struct preamble, abi), "");
_Static_assert(offsetof(struct onvm_nf_counters, abi) == offsetof(struct preamble, abi), "");
_Static_assert(offsetof(struct onvm_node_latency, abi) == offsetof(struct preamble, abi), "");
_Static_assert(offsetof(struct onvm_nf_latency, abi) == offsetof(struct preamble, abi), "");

/* Whether reading `size` bytes can never run past the end of the file. */
static bool
holds(int fd, size_t size)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &status) == 0 &&
           status.st_size >= 0 && (size_t)status.st_size >= size;
}

static const void *
map(int fd, size_t size, uint64_t magic)
{
    if (!holds(fd, size)) {
        errno = EBADMSG;
        return NULL;
    }
    const struct preamble *region = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED)
        return NULL;
    if (region->magic == magic && region->abi == ONVM_ABI_VERSION)
        return region;
    int error = region->magic == magic ? EPROTONOSUPPORT : EPROTO;
    munmap((void *)(uintptr_t)region, size);
    errno = error;
    return NULL;
}

const struct onvm_node_counters *
onvm_control_map_node(int fd)
{
    return map(fd, sizeof(struct onvm_node_counters), ONVM_COUNTERS_MAGIC);
}

const struct onvm_nf_counters *
onvm_control_map_nf(int fd)
{
    return map(fd, sizeof(struct onvm_nf_counters), ONVM_COUNTERS_MAGIC);
}

void
onvm_control_unmap_node(const struct onvm_node_counters *counters)
{
    munmap((void *)(uintptr_t)counters, sizeof(*counters));
}

void
onvm_control_unmap_nf(const struct onvm_nf_counters *counters)
{
    munmap((void *)(uintptr_t)counters, sizeof(*counters));
}

const struct onvm_node_latency *
onvm_control_map_node_latency(int fd)
{
    return map(fd, sizeof(struct onvm_node_latency), ONVM_LATENCY_MAGIC);
}

const struct onvm_nf_latency *
onvm_control_map_nf_latency(int fd)
{
    return map(fd, sizeof(struct onvm_nf_latency), ONVM_LATENCY_MAGIC);
}

void
onvm_control_unmap_node_latency(const struct onvm_node_latency *latency)
{
    munmap((void *)(uintptr_t)latency, sizeof(*latency));
}

void
onvm_control_unmap_nf_latency(const struct onvm_nf_latency *latency)
{
    munmap((void *)(uintptr_t)latency, sizeof(*latency));
}

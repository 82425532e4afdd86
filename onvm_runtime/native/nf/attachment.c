/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20) /* what a slice may have to lie on */
#define INDEX_BITS 24

enum access {
    ACCESS_READ,
    ACCESS_WRITE,
    ACCESS_PATH, /* written on the packet path: no page of it may fault there */
};

/* Maps a descriptor whole, if it has at least `least` bytes. */
static bool
map(struct mapping *mapping, int fd, size_t least, enum access access, const char *what,
    struct onvm_failure *failure)
{
    int protection = access == ACCESS_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = access == ACCESS_PATH ? MAP_SHARED | MAP_POPULATE : MAP_SHARED;
    struct stat status;
    void *base;

    if (fd < 0 || fstat(fd, &status) < 0)
        return onvm_fail(failure, "the data plane sent no descriptor of the %s", what);
    if ((uint64_t)status.st_size < least)
        return onvm_fail(failure, "the %s has %lld bytes and needs %zu", what,
                         (long long)status.st_size, least);
    base = mmap(NULL, (size_t)status.st_size, protection, flags, fd, 0);
    if (base == MAP_FAILED)
        return onvm_fail(failure, "cannot map the %s: %s", what, strerror(errno));
    *mapping = (struct mapping){.base = base,
                                .size = (size_t)status.st_size,
                                .device = status.st_dev,
                                .inode = status.st_ino};
    return true;
}

static void
unmap(struct mapping *mapping)
{
    if (mapping->base)
        munmap(mapping->base, mapping->size);
    *mapping = (struct mapping){0};
}

static bool
check_welcome(const struct onvm_welcome *welcome, struct onvm_failure *failure)
{
    if (welcome->abi != ONVM_ABI_VERSION)
        return onvm_fail(failure, "the data plane speaks protocol version %u, this NF %u",
                         welcome->abi, ONVM_ABI_VERSION);
    if (welcome->workers == 0 || welcome->workers > ONVM_MAX_WORKERS ||
        welcome->slice_shift > INDEX_BITS || welcome->slice_buffers == 0 ||
        welcome->slice_buffers > 1u << welcome->slice_shift ||
        welcome->workers << welcome->slice_shift > 1u << INDEX_BITS ||
        welcome->stride < ONVM_FRAME_MIN || welcome->stride > 1u << 16)
        return onvm_fail(failure,
                         "a packet region of %u slices of %u buffers of %u bytes is impossible",
                         welcome->workers, welcome->slice_buffers, welcome->stride);
    return true;
}

/* Takes the addresses of the whole region, on a huge page and with nothing behind them yet. */
static bool
reserve_region(struct attachment *attachment, struct onvm_failure *failure)
{
    const struct onvm_welcome *welcome = &attachment->welcome;
    size_t last = (size_t)(welcome->workers - 1) << welcome->slice_shift;
    size_t size = (last + welcome->slice_buffers) * welcome->stride + 2 * HUGE_PAGE;
    void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return onvm_fail(failure, "cannot reserve %zu bytes for the packet region: %s", size,
                         strerror(errno));
    attachment->region = (struct mapping){.base = base, .size = size};
    attachment->buffers =
        (uint8_t *)(((uintptr_t)base + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    return true;
}

/* Puts one slice at its place.  No page of it may fault on the packet path. */
static bool
map_slice(struct attachment *attachment, uint32_t worker, int fd, struct onvm_failure *failure)
{
    const struct onvm_welcome *welcome = &attachment->welcome;
    size_t size = (size_t)welcome->slice_buffers * welcome->stride;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0 || (uint64_t)status.st_size < size)
        return onvm_fail(failure, "slice %u of the packet region is missing or too short", worker);
    if (mmap(attachment_buffer(attachment, worker << welcome->slice_shift), size,
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_FIXED, fd, 0) == MAP_FAILED)
        return onvm_fail(failure, "cannot map slice %u of the packet region: %s", worker,
                         strerror(errno));
    if (worker == 0) {
        attachment->region.device = status.st_dev;
        attachment->region.inode = status.st_ino;
    }
    return true;
}

static bool
map_region(struct attachment *attachment, const int *fd, struct onvm_failure *failure)
{
    if (!reserve_region(attachment, failure))
        return false;
    for (uint32_t worker = 0; worker < attachment->welcome.workers; worker++)
        if (!map_slice(attachment, worker, fd[worker], failure))
            return false;
    return true;
}

static bool
map_all(struct attachment *attachment, const int *fd, struct onvm_failure *failure)
{
    return map(&attachment->doorbell, fd[0], sizeof(struct onvm_doorbell), ACCESS_WRITE,
               "doorbell", failure) &&
           map(&attachment->routes, fd[1], sizeof(struct onvm_routes), ACCESS_READ, "routes",
               failure) &&
           map(&attachment->counters, fd[2], sizeof(struct onvm_nf_counters), ACCESS_WRITE,
               "counters", failure) &&
           map(&attachment->latency, fd[3], sizeof(struct onvm_nf_latency), ACCESS_WRITE,
               "latencies", failure) &&
           map_region(attachment, fd + 4, failure);
}

bool
attachment_open(struct attachment *attachment, const struct envelope *message,
                struct onvm_failure *failure)
{
    memset(attachment, 0, sizeof(*attachment));
    attachment->welcome = message->welcome;
    attachment->welcome.name[ONVM_NAME_MAX - 1] = '\0';
    if (!check_welcome(&attachment->welcome, failure) ||
        !map_all(attachment, message->fds.fd, failure)) {
        attachment_close(attachment);
        return false;
    }
    attachment->slice_mask = (1u << attachment->welcome.slice_shift) - 1;
    attachment_counters(attachment)->magic = ONVM_COUNTERS_MAGIC;
    attachment_counters(attachment)->abi = ONVM_ABI_VERSION;
    attachment_latency(attachment)->magic = ONVM_LATENCY_MAGIC;
    attachment_latency(attachment)->abi = ONVM_ABI_VERSION;
    return true;
}

/* Maps an edge and returns its slots, 0 after a failure. */
static uint32_t
map_edge(struct mapping *mapping, int fd, struct onvm_failure *failure)
{
    uint32_t slots;

    if (!map(mapping, fd, sizeof(struct onvm_edge), ACCESS_PATH, "edge", failure))
        return 0;
    slots = onvm_edge_slots(mapping->size);
    if (slots > 0)
        return slots;
    unmap(mapping);
    onvm_fail(failure, "the data plane sent an edge of %zu bytes, which has no slots",
              mapping->size);
    return 0;
}

static bool
open_input(struct attachment *attachment, uint32_t slot, const struct envelope *message,
           struct onvm_failure *failure)
{
    struct input *input = &attachment->input[slot];
    uint32_t slots;

    if (input->edge.base)
        return onvm_fail(failure, "input edge %u was opened twice", slot);
    slots = map_edge(&input->edge, message->fds.fd[0], failure);
    if (slots == 0)
        return false;
    onvm_consumer_open(&input->consumer, input->edge.base, slots);
    attachment->input_slot[attachment->inputs++] = (uint16_t)slot;
    return true;
}

static bool
open_output(struct output *output, struct envelope *message, bool home,
            struct onvm_failure *failure)
{
    uint32_t slots;

    if (output_is_open(output))
        return onvm_fail(failure, "output edge %u was opened twice", message->edge.slot);
    if (home && message->fds.fd[2] < 0)
        return onvm_fail(failure, "the home edge came without the worker's eventfd");
    slots = map_edge(&output->edge, message->fds.fd[0], failure);
    if (slots == 0)
        return false;
    if (!map(&output->doorbell, message->fds.fd[1], sizeof(struct onvm_doorbell), ACCESS_WRITE,
             "doorbell of an edge", failure)) {
        unmap(&output->edge);
        return false;
    }
    output->eventfd = home ? onvm_fds_take(&message->fds, 2) : -1;
    output->peer = NULL;
    onvm_producer_open(&output->producer, output->edge.base, slots);
    return true;
}

static bool
check_slot(const struct attachment *attachment, const struct onvm_edge_message *message,
           struct onvm_failure *failure)
{
    uint32_t slots =
        message->role == ONVM_EDGE_HOME ? attachment->welcome.workers : ONVM_MAX_EDGES;

    if (message->role <= ONVM_EDGE_HOME && message->slot < slots)
        return true;
    return onvm_fail(failure, "there is no edge of role %u in slot %u", message->role,
                     message->slot);
}

bool
attachment_open_edge(struct attachment *attachment, struct envelope *message,
                     struct onvm_failure *failure)
{
    const struct onvm_edge_message *edge = &message->edge;

    if (!check_slot(attachment, edge, failure))
        return false;
    if (edge->role == ONVM_EDGE_IN)
        return open_input(attachment, edge->slot, message, failure);
    if (edge->role == ONVM_EDGE_OUT)
        return open_output(&attachment->output[edge->slot], message, false, failure);
    if (!open_output(&attachment->home[edge->slot], message, true, failure))
        return false;
    attachment->homes++;
    return true;
}

static void
close_input(struct attachment *attachment, uint32_t slot)
{
    uint16_t kept = 0;

    unmap(&attachment->input[slot].edge);
    for (uint16_t i = 0; i < attachment->inputs; i++)
        if (attachment->input_slot[i] != slot)
            attachment->input_slot[kept++] = attachment->input_slot[i];
    attachment->inputs = kept;
}

static void
close_output(struct output *output)
{
    if (!output_is_open(output))
        return;
    unmap(&output->edge);
    unmap(&output->doorbell);
    if (output->eventfd >= 0)
        close(output->eventfd);
    output->eventfd = -1;
}

static void
close_home(struct attachment *attachment, uint32_t worker)
{
    attachment->homes -= output_is_open(&attachment->home[worker]);
    close_output(&attachment->home[worker]);
}

bool
attachment_close_edge(struct attachment *attachment, const struct onvm_edge_message *message,
                      struct onvm_failure *failure)
{
    if (!check_slot(attachment, message, failure))
        return false;
    if (message->role == ONVM_EDGE_IN)
        close_input(attachment, message->slot);
    else if (message->role == ONVM_EDGE_OUT)
        close_output(&attachment->output[message->slot]);
    else
        close_home(attachment, message->slot);
    return true;
}

void
attachment_close(struct attachment *attachment)
{
    while (attachment->inputs > 0)
        close_input(attachment, attachment->input_slot[0]);
    for (unsigned slot = 0; slot < ONVM_MAX_EDGES; slot++)
        close_output(&attachment->output[slot]);
    for (unsigned worker = 0; worker < ONVM_MAX_WORKERS; worker++)
        close_home(attachment, worker);
    unmap(&attachment->region);
    unmap(&attachment->doorbell);
    unmap(&attachment->routes);
    unmap(&attachment->counters);
    unmap(&attachment->latency);
}

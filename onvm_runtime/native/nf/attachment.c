/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
    if (welcome->buffers == 0 || welcome->buffers > 1u << 24 || welcome->stride < ONVM_FRAME_MIN ||
        welcome->stride > 1u << 16)
        return onvm_fail(failure, "a packet region of %u buffers of %u bytes is impossible",
                         welcome->buffers, welcome->stride);
    return true;
}

static bool
map_all(struct attachment *attachment, const int *fd, struct onvm_failure *failure)
{
    size_t region = (size_t)attachment->welcome.buffers * attachment->welcome.stride;

    return map(&attachment->region, fd[0], region, ACCESS_PATH, "packet region", failure) &&
           map(&attachment->doorbell, fd[1], sizeof(struct onvm_doorbell), ACCESS_WRITE,
               "doorbell", failure) &&
           map(&attachment->routes, fd[2], sizeof(struct onvm_routes), ACCESS_READ, "routes",
               failure) &&
           map(&attachment->counters, fd[3], sizeof(struct onvm_nf_counters), ACCESS_WRITE,
               "counters", failure) &&
           map(&attachment->latency, fd[4], sizeof(struct onvm_nf_latency), ACCESS_WRITE,
               "latencies", failure);
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
    attachment_counters(attachment)->magic = ONVM_COUNTERS_MAGIC;
    attachment_counters(attachment)->abi = ONVM_ABI_VERSION;
    attachment_latency(attachment)->magic = ONVM_LATENCY_MAGIC;
    attachment_latency(attachment)->abi = ONVM_ABI_VERSION;
    return true;
}

/*
 * Maps an edge and returns its slots, 0 after a failure.  The header is copied
 * before it is judged, for the peer may write it.
 */
static uint32_t
map_edge(struct mapping *mapping, int fd, struct onvm_failure *failure)
{
    struct onvm_edge header;

    if (!map(mapping, fd, sizeof(struct onvm_edge), ACCESS_PATH, "edge", failure))
        return 0;
    memcpy(&header, mapping->base, sizeof(header));
    if (onvm_edge_valid(&header, mapping->size))
        return header.slots;
    unmap(mapping);
    onvm_fail(failure, "the data plane sent an edge with an impossible header");
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
check_slot(const struct onvm_edge_message *message, struct onvm_failure *failure)
{
    uint32_t slots = message->role == ONVM_EDGE_HOME ? 1 : ONVM_MAX_EDGES;

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

    if (!check_slot(edge, failure))
        return false;
    if (edge->role == ONVM_EDGE_IN)
        return open_input(attachment, edge->slot, message, failure);
    if (edge->role == ONVM_EDGE_OUT)
        return open_output(&attachment->output[edge->slot], message, false, failure);
    return open_output(&attachment->home, message, true, failure);
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

bool
attachment_close_edge(struct attachment *attachment, const struct onvm_edge_message *message,
                      struct onvm_failure *failure)
{
    if (!check_slot(message, failure))
        return false;
    if (message->role == ONVM_EDGE_IN)
        close_input(attachment, message->slot);
    else if (message->role == ONVM_EDGE_OUT)
        close_output(&attachment->output[message->slot]);
    else
        close_output(&attachment->home);
    return true;
}

void
attachment_close(struct attachment *attachment)
{
    while (attachment->inputs > 0)
        close_input(attachment, attachment->input_slot[0]);
    for (unsigned slot = 0; slot < ONVM_MAX_EDGES; slot++)
        close_output(&attachment->output[slot]);
    close_output(&attachment->home);
    unmap(&attachment->region);
    unmap(&attachment->doorbell);
    unmap(&attachment->routes);
    unmap(&attachment->counters);
    unmap(&attachment->latency);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that one session maps: the packet region, the doorbells, routes, counters,
 * latencies and edges.  It is made when the data plane welcomes the NF, changes with each
 * EDGE_OPEN and EDGE_CLOSE, and goes as a whole when the session ends.
 */
#ifndef ONVM_NF_ATTACHMENT_H
#define ONVM_NF_ATTACHMENT_H

#include <sys/types.h>

#include "../protocol/counters.h"
#include "../protocol/doorbell.h"
#include "../protocol/edge.h"
#include "../protocol/histogram.h"
#include "../protocol/routes.h"
#include "../protocol/session.h"
#include "envelope.h"
#include "nf.h"

struct member;

struct mapping {
    void *base; /* NULL: nothing is mapped */
    size_t size;
    dev_t device; /* with the inode: which memory it is */
    ino_t inode;
};

struct input {
    struct mapping edge;
    struct onvm_consumer consumer;
};

struct output {
    struct mapping edge;
    struct mapping doorbell;
    int eventfd; /* of the worker; -1 for NFs, which wait on the futex */
    struct onvm_producer producer;
    bool unrung; /* published to, and its doorbell not rung yet */
    struct member *peer; /* the consumer, when it is in this process; see group.h */
    const struct input *peer_input;
};

struct attachment {
    struct onvm_welcome welcome;
    struct mapping region; /* its identity is that of the first slice */
    struct mapping doorbell, routes, counters, latency;
    uint8_t *buffers; /* buffer 0; each slice of the region lies at its place behind it */
    uint32_t slice_mask; /* the bits of a buffer's index that say where in its slice it is */
    uint32_t homes;      /* that are open */
    struct output home[ONVM_MAX_WORKERS];
    struct output output[ONVM_MAX_EDGES];
    struct input input[ONVM_MAX_EDGES];
    uint16_t inputs; /* slots of open input edges, without gaps */
    uint16_t input_slot[ONVM_MAX_EDGES];
    uint16_t unrung; /* in `unrung_list` */
    struct output *unrung_list[ONVM_MAX_EDGES + ONVM_MAX_WORKERS];
};

/* Maps what a WELCOME brought.  After a failure nothing stays mapped. */
bool attachment_open(struct attachment *attachment, const struct envelope *welcome,
                     struct onvm_failure *failure);

/* Follows an EDGE_OPEN; a failure is a fault of the data plane and changes nothing. */
bool attachment_open_edge(struct attachment *attachment, struct envelope *message,
                          struct onvm_failure *failure);

/* Follows an EDGE_CLOSE. */
bool attachment_close_edge(struct attachment *attachment, const struct onvm_edge_message *message,
                           struct onvm_failure *failure);

/* Unmaps everything. */
void attachment_close(struct attachment *attachment);

static inline struct onvm_doorbell *
attachment_doorbell(const struct attachment *attachment)
{
    return attachment->doorbell.base;
}

static inline const struct onvm_routes *
attachment_routes(const struct attachment *attachment)
{
    return attachment->routes.base;
}

static inline struct onvm_nf_counters *
attachment_counters(const struct attachment *attachment)
{
    return attachment->counters.base;
}

static inline struct onvm_nf_latency *
attachment_latency(const struct attachment *attachment)
{
    return attachment->latency.base;
}

/*
 * Whether there is such a buffer.  Only then has it a place and a home.  The first
 * slice's are told by one comparison, so one worker pays nothing for others.
 */
static inline bool
attachment_has_buffer(const struct attachment *attachment, uint32_t index)
{
    return index < attachment->welcome.slice_buffers ||
           ((index & attachment->slice_mask) < attachment->welcome.slice_buffers &&
            index >> attachment->welcome.slice_shift < attachment->welcome.workers);
}

static inline uint8_t *
attachment_buffer(const struct attachment *attachment, uint32_t index)
{
    return attachment->buffers + (size_t)index * attachment->welcome.stride;
}

/* The edge by which a buffer goes back to the worker that it belongs to. */
static inline struct output *
attachment_home(struct attachment *attachment, uint32_t index)
{
    return &attachment->home[index >> attachment->welcome.slice_shift];
}

/* Whether buffers that differ in these bits, as descriptors name them, go the same way home. */
static inline bool
attachment_same_home(const struct attachment *attachment, uint32_t differs)
{
    return onvm_buffer_index(differs) >> attachment->welcome.slice_shift == 0;
}

/* Packets of a burst that can go home, `want` at the most, whichever home that is. */
static inline uint32_t
attachment_home_room(struct attachment *attachment, uint32_t want)
{
    for (uint32_t worker = 0; worker < attachment->welcome.workers; worker++)
        want = onvm_producer_room(&attachment->home[worker].producer, want);
    return want;
}

/* Whether every packet has a way home. */
static inline bool
attachment_is_whole(const struct attachment *attachment)
{
    return attachment->homes == attachment->welcome.workers;
}

static inline bool
output_is_open(const struct output *output)
{
    return output->edge.base != NULL;
}

/* Lets the consumer see what was put; attachment_ring wakes it. */
static inline void
attachment_publish(struct attachment *attachment, struct output *output)
{
    if (output->producer.head == output->producer.published)
        return;
    onvm_producer_publish(&output->producer);
    if (output->unrung)
        return;
    output->unrung = true;
    attachment->unrung_list[attachment->unrung++] = output;
}

/*
 * Rings the doorbells of all outputs that were published to.  Due before an output is
 * closed and before a rest; under load best a while after publishing (doorbell.h).
 */
static inline void
attachment_ring(struct attachment *attachment)
{
    if (attachment->unrung == 0)
        return;
    onvm_doorbell_fence();
    while (attachment->unrung > 0) {
        struct output *output = attachment->unrung_list[--attachment->unrung];
        output->unrung = false;
        onvm_doorbell_wake(output->doorbell.base, output->eventfd);
    }
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Latency histograms, and the time stamps that feed them.
 *
 * The first ONVM_STAMPS_SIZE bytes of every buffer are the stamps of the packet in
 * it.  They count for descriptors with ONVM_FLAG_SAMPLED only; no frame ever lies
 * there.  Whoever has the descriptor may write them, as it may write the packet:
 * stamps are as true as its NFs are honest.
 *
 *   ingress   TSC when the worker received the packet; 0: it is a probe (trace.h)
 *   posted    TSC when whoever had it last put it into an edge
 *
 * Histograms are log-linear, as those of HdrHistogram: a value below
 * ONVM_HISTOGRAM_LINEAR has a bucket of its own, each octave above it has
 * ONVM_HISTOGRAM_LINEAR buckets of equal width.  So a bucket is at most 1/16 of
 * its value wide, and two histograms are merged by adding bucket to bucket.
 * Values are cycles of the time stamp counter.  What exceeds the range is counted
 * at its end.
 *
 * Two kinds of region, as with counters (counters.h): the node's, written by the
 * worker alone, and one of each NF, of which that NF is the only writer.  Readers
 * map them read-only and believe an NF's about that NF only.  Each histogram fills
 * one page, and the pages of chains and hops that no sampled packet has met
 * take no memory: a reader looks only at those that exist.
 *
 * Prohibited
 *   a second writer of a histogram: ONVM_COUNT would lose values
 *   a frame that begins within the stamps of its buffer: the next hop would
 *            write into it
 */
#ifndef ONVM_PROTOCOL_HISTOGRAM_H
#define ONVM_PROTOCOL_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "counters.h"
#include "descriptor.h"
#include "trace.h"

#define ONVM_LATENCY_MAGIC 0x4d564e4f4c415445ull

#define ONVM_STAMPS_SIZE 16u

#define ONVM_HISTOGRAM_LINEAR 16u
#define ONVM_HISTOGRAM_BITS 34 /* of the largest value: some seconds */
#define ONVM_HISTOGRAM_BUCKETS ((ONVM_HISTOGRAM_BITS - 4 + 1) * ONVM_HISTOGRAM_LINEAR)
#define ONVM_HISTOGRAM_PAGE 4096

struct onvm_stamps {
    uint64_t ingress;
    uint64_t posted;
};

_Static_assert(sizeof(struct onvm_stamps) == ONVM_STAMPS_SIZE, "the layout above");

struct onvm_histogram {
    __attribute__((aligned(ONVM_HISTOGRAM_PAGE))) uint64_t sum; /* of all values */
    uint64_t max;
    ONVM_ALIGNED uint64_t bucket[ONVM_HISTOGRAM_BUCKETS];
};

_Static_assert(sizeof(struct onvm_histogram) == ONVM_HISTOGRAM_PAGE, "one page each");

/* What an NF saw of a chain's packets at one hop. */
struct onvm_hop_latency {
    struct onvm_histogram wait;     /* from posted by the hop before to taken by this NF */
    struct onvm_histogram handling; /* from taken to posted */
};

/* What a worker saw of a chain's packets when they came home. */
struct onvm_chain_latency {
    struct onvm_histogram wait;  /* from posted by the last NF to taken by its worker */
    struct onvm_histogram total; /* from ingress on */
};

struct onvm_nf_latency {
    uint64_t magic;
    uint32_t abi;
    struct onvm_trace trace;
    struct onvm_trace probes;
    struct onvm_hop_latency hop[ONVM_MAX_CHAINS][ONVM_MAX_HOPS];
};

struct onvm_worker_latency {
    struct onvm_trace trace;
    struct onvm_trace probes;
    struct onvm_chain_latency chain[ONVM_MAX_CHAINS];
};

/* Of the whole node: the sum over its workers. */
struct onvm_node_latency {
    uint64_t magic;
    uint32_t abi;
    uint32_t workers; /* in use */
    struct onvm_worker_latency worker[ONVM_MAX_WORKERS];
};

static inline uint32_t
onvm_histogram_bucket(uint64_t value)
{
    unsigned octave;

    if (value < ONVM_HISTOGRAM_LINEAR)
        return (uint32_t)value;
    if (value >> ONVM_HISTOGRAM_BITS)
        return ONVM_HISTOGRAM_BUCKETS - 1;
    octave = 63u - (unsigned)__builtin_clzll(value);
    return (octave - 4) * ONVM_HISTOGRAM_LINEAR + (uint32_t)(value >> (octave - 4));
}

/*
 * Counts the cycles from one stamp to the next.  Stamps come from shared memory and
 * perhaps from another core: what is negative is 0, what is too long is clamped.
 */
static inline void
onvm_histogram_record(struct onvm_histogram *histogram, uint64_t from, uint64_t to)
{
    const uint64_t limit = (1ull << ONVM_HISTOGRAM_BITS) - 1;
    uint64_t value = (int64_t)(to - from) < 0 ? 0 : to - from;

    if (value > limit)
        value = limit;
    ONVM_COUNT(histogram->bucket[onvm_histogram_bucket(value)], 1);
    ONVM_COUNT(histogram->sum, value);
    if (value > histogram->max)
        __atomic_store_n(&histogram->max, value, __ATOMIC_RELAXED);
}

/*
 * Whether a frame lies behind the stamps and within its buffer, in one comparison: an
 * offset within the stamps wraps to more than any buffer holds.  A length of 0 is
 * the caller's to refuse.
 */
static inline bool
onvm_range_within(uint32_t offset, uint32_t length, uint32_t stride)
{
    return (uint16_t)(offset - ONVM_STAMPS_SIZE) + length <= stride - ONVM_STAMPS_SIZE;
}

static inline bool
onvm_frame_within(const struct onvm_descriptor *descriptor, uint32_t stride)
{
    return onvm_range_within(descriptor->offset, descriptor->length, stride);
}

/* The stamps of a buffer whose index was checked. */
static inline struct onvm_stamps *
onvm_stamps(void *region, uint32_t stride, uint32_t buffer)
{
    return (struct onvm_stamps *)(void *)((uint8_t *)region +
                                          (size_t)onvm_buffer_index(buffer) * stride);
}

#endif

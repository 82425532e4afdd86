/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface of a network function.
 *
 * An NF is one module: a handler that gets a burst of packets, and callbacks
 * around it.  Its file ends with ONVM_NF(name, summary, callbacks); main() is in
 * the library.  All callbacks run on one thread, so a module needs no locks.
 *
 *   setup      once, when the program starts, on zeroed state
 *   configure  when the parameters arrive and whenever they change; all or
 *              nothing: after a failure the module goes on as it was before
 *   handler    for every burst
 *   timer      about every timer_interval nanoseconds
 *   query      a question of the user, answered in JSON
 *   stop       once, before the program ends
 *
 * State outlives the data plane: when that is restarted, the NF attaches again
 * and is configured again, with the state that it had.
 */
#ifndef ONVM_NF_NF_H
#define ONVM_NF_NF_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../protocol/descriptor.h"
#include "../protocol/drop_reasons.h"
#include "../protocol/histogram.h"

#define ONVM_FRAME_MIN 14 /* a handler never sees less than an Ethernet header */

/* The segments of one packet behind its first. */
struct onvm_run {
    uint16_t length; /* their bytes */
    uint8_t first;   /* place of their descriptors in `further` */
    uint8_t count;
};

/*
 * Up to ONVM_BURST packets, as parallel arrays; entries from `count` on mean
 * nothing.  data[i] is the first byte of the frame.  Verdicts are preset to NEXT.
 *
 * descriptor[i] is of the first segment.  Where it has ONVM_FLAG_SEGMENT, run[i]
 * tells of the others; elsewhere run[i] means nothing.
 *
 * A handler reads descriptors and changes what the functions below change, by them only:
 * what else is true of the burst is not looked at again.
 */
struct onvm_burst {
    uint32_t count;
    uint32_t stride; /* bytes of a buffer */
    uint64_t now;    /* monotonic time in nanoseconds, a few milliseconds coarse */
    uint8_t *data[ONVM_BURST];
    struct onvm_descriptor descriptor[ONVM_BURST];
    ONVM_ALIGNED uint8_t verdict[ONVM_BURST];
    uint8_t argument[ONVM_BURST]; /* TO: branch; OUT: port; DROP: reason */
    uint8_t *base;                /* of the packet region */
    struct onvm_run run[ONVM_BURST];
    struct onvm_descriptor further[ONVM_BURST];
    bool reshaped; /* a packet got another place or length, by the functions below */
};

static inline bool
onvm_packet_is_run(const struct onvm_burst *burst, uint32_t i)
{
    return __builtin_expect((burst->descriptor[i].flags & ONVM_FLAG_SEGMENT) != 0, 0);
}

/* Bytes of the whole packet; data[i] has the descriptor[i].length first of them. */
static inline uint16_t
onvm_packet_length(const struct onvm_burst *burst, uint32_t i)
{
    uint16_t length = burst->descriptor[i].length;

    return onvm_packet_is_run(burst, i) ? (uint16_t)(length + burst->run[i].length) : length;
}

/* 1 to ONVM_MAX_SEGMENTS. */
static inline uint32_t
onvm_packet_segments(const struct onvm_burst *burst, uint32_t i)
{
    return onvm_packet_is_run(burst, i) ? 1u + burst->run[i].count : 1;
}

/* The packet's segment `k`, from 0: its first byte, and its length. */
static inline uint8_t *
onvm_packet_segment(const struct onvm_burst *burst, uint32_t i, uint32_t k, uint16_t *length)
{
    const struct onvm_descriptor *segment =
        k == 0 ? &burst->descriptor[i] : &burst->further[burst->run[i].first + k - 1];

    *length = segment->length;
    if (k == 0)
        return burst->data[i];
    return burst->base + (size_t)onvm_buffer_index(segment->buffer) * burst->stride +
           segment->offset;
}

/* The port by which the packet came into the node. */
static inline unsigned
onvm_packet_port(const struct onvm_burst *burst, uint32_t i)
{
    return onvm_path_port(burst->descriptor[i].path);
}

static inline void
onvm_packet_drop(struct onvm_burst *burst, uint32_t i, enum onvm_drop_reason reason)
{
    burst->verdict[i] = ONVM_VERDICT_DROP;
    burst->argument[i] = (uint8_t)reason;
}

/* Sends the packet out by a port, past the rest of its chain. */
static inline void
onvm_packet_out(struct onvm_burst *burst, uint32_t i, unsigned port)
{
    burst->verdict[i] = ONVM_VERDICT_OUT;
    burst->argument[i] = (uint8_t)port;
}

/* Sends the packet to a branch: a service that the chain file lets this one name. */
static inline void
onvm_packet_to(struct onvm_burst *burst, uint32_t i, unsigned branch)
{
    burst->verdict[i] = ONVM_VERDICT_TO;
    burst->argument[i] = (uint8_t)branch;
}

/* Makes room for `bytes` before the frame; false where the headroom is too small. */
static inline bool
onvm_packet_prepend(struct onvm_burst *burst, uint32_t i, uint16_t bytes)
{
    struct onvm_descriptor *descriptor = &burst->descriptor[i];

    if (bytes + ONVM_STAMPS_SIZE > descriptor->offset ||
        bytes > UINT16_MAX - onvm_packet_length(burst, i))
        return false;
    descriptor->offset = (uint16_t)(descriptor->offset - bytes);
    descriptor->length = (uint16_t)(descriptor->length + bytes);
    burst->data[i] -= bytes;
    burst->reshaped = true;
    return true;
}

/* Cuts `bytes` off the frame's start; false where the first segment would keep no header. */
static inline bool
onvm_packet_strip(struct onvm_burst *burst, uint32_t i, uint16_t bytes)
{
    struct onvm_descriptor *descriptor = &burst->descriptor[i];

    if (bytes + ONVM_FRAME_MIN > descriptor->length)
        return false;
    descriptor->offset = (uint16_t)(descriptor->offset + bytes);
    descriptor->length = (uint16_t)(descriptor->length - bytes);
    burst->data[i] += bytes;
    burst->reshaped = true;
    return true;
}

/* As onvm_packet_trim, for several segments; emptied ones stay, to be freed at the end. */
static inline bool
onvm_packet_trim_run(struct onvm_burst *burst, uint32_t i, uint16_t length)
{
    struct onvm_run *run = &burst->run[i];
    struct onvm_descriptor *last = &burst->further[run->first + run->count - 1u];
    uint16_t before = onvm_packet_length(burst, i);

    if (length > before) {
        if ((uint32_t)last->offset + last->length + (length - before) > burst->stride)
            return false;
        last->length = (uint16_t)(last->length + (length - before));
        run->length = (uint16_t)(run->length + (length - before));
        return true;
    }
    for (uint16_t left = (uint16_t)(before - length), part; left > 0 && run->length > 0; last--) {
        part = left < last->length ? left : last->length;
        last->length = (uint16_t)(last->length - part);
        run->length = (uint16_t)(run->length - part);
        left = (uint16_t)(left - part);
    }
    if (length < burst->descriptor[i].length)
        burst->descriptor[i].length = length;
    return true;
}

/* Gives the frame another length, by its end; false where its last buffer is too small. */
static inline bool
onvm_packet_trim(struct onvm_burst *burst, uint32_t i, uint16_t length)
{
    struct onvm_descriptor *descriptor = &burst->descriptor[i];

    if (length < ONVM_FRAME_MIN)
        return false;
    if (onvm_packet_is_run(burst, i))
        return onvm_packet_trim_run(burst, i, length);
    if (descriptor->offset + length > burst->stride)
        return false;
    descriptor->length = length;
    burst->reshaped = true;
    return true;
}

/* A sentence for the user about what failed, and what to do. */
struct onvm_failure {
    char text[512];
};

/* Sets the sentence; returns false, so that `return onvm_fail(…)` ends the caller. */
static inline bool __attribute__((format(printf, 2, 3)))
onvm_fail(struct onvm_failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return false;
}

/*
 * `configuration` is {"parameters": {…}, "ports": {name: id}, "branches":
 * {service: index}, "service": name}; see parameters.h for reading it.  A query
 * is an object with a key "query"; the reply is a new reference, or NULL with a
 * failure.  Callbacks that a module does not need stay NULL.
 */
struct onvm_module {
    uint32_t abi;
    const char *name;
    const char *summary;
    size_t state_size;
    bool (*setup)(void *state, struct onvm_failure *failure);
    bool (*configure)(void *state, json_t *configuration, struct onvm_failure *failure);
    void (*handler)(struct onvm_burst *burst, void *state);
    json_t *(*query)(void *state, json_t *request, struct onvm_failure *failure);
    void (*timer)(void *state, uint64_t now);
    uint64_t timer_interval; /* nanoseconds */
    void (*stop)(void *state);
};

extern const struct onvm_module onvm_module;

/* Declares this program's module; the rest are designated initialisers. */
#define ONVM_NF(nf_name, nf_summary, ...) \
    __attribute__((visibility("default"))) const struct onvm_module onvm_module = { \
        .abi = ONVM_ABI_VERSION, .name = #nf_name, .summary = nf_summary, __VA_ARGS__}

#endif

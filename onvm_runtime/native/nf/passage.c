/* SPDX-License-Identifier: BSD-3-Clause */
#include "passage.h"

#include <string.h>

#include "clock.h"
#include "latency.h"
#include "post.h"

static bool
in_bounds(const struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    return attachment_has_buffer(attachment, onvm_buffer_index(descriptor->buffer)) &&
           onvm_frame_within(descriptor, attachment->welcome.stride);
}

/* Whether a handler may see the packet; sends it home where not. */
static bool
examine(struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    bool good = in_bounds(attachment, descriptor);

    if (good && descriptor->length >= ONVM_FRAME_MIN)
        return true;
    post_refusal(attachment, *descriptor, good ? ONVM_DROP_runt : ONVM_DROP_bad_bounds);
    return false;
}

/* Adds a packet to the burst by its first descriptor. */
static void
admit(struct passage *passage, struct onvm_descriptor descriptor)
{
    struct onvm_burst *burst = &passage->burst;
    uint32_t i = burst->count;

    burst->descriptor[i] = descriptor;
    burst->data[i] = burst->base + (size_t)onvm_buffer_index(descriptor.buffer) * burst->stride +
                     descriptor.offset;
    burst->count++;
}

static enum onvm_drop_reason
run_fault(const struct attachment *attachment, const struct onvm_descriptor *run, uint32_t count,
          bool whole)
{
    if (!whole || !onvm_run_agrees(run, count))
        return ONVM_DROP_bad_run;
    for (uint32_t k = 1; k < count; k++) {
        if (!attachment_has_buffer(attachment, onvm_buffer_index(run[k].buffer)) ||
            !onvm_segment_within(&run[k], attachment->welcome.stride))
            return ONVM_DROP_bad_bounds;
        if (!attachment_same_home(attachment, run[k].buffer ^ run[0].buffer))
            return ONVM_DROP_bad_run;
    }
    if (!in_bounds(attachment, &run[0]))
        return ONVM_DROP_bad_bounds;
    return run[0].length < ONVM_FRAME_MIN ? ONVM_DROP_runt : ONVM_DROP_REASON_COUNT;
}

static void
admit_run(struct passage *passage, const struct onvm_descriptor *run, uint8_t count)
{
    struct onvm_burst *burst = &passage->burst;
    struct onvm_run *further = &burst->run[burst->count];

    *further = (struct onvm_run){.first = passage->further, .count = (uint8_t)(count - 1)};
    for (uint32_t k = 1; k < count; k++) {
        further->length = (uint16_t)(further->length + run[k].length);
        burst->further[passage->further++] = run[k];
    }
    passage->bytes += further->length;
    admit(passage, run[0]);
}

/*
 * Takes the run that begins at the i-th descriptor, if it ends before `ready`; one
 * that is no packet is sent home piece by piece.  Returns the descriptors taken.
 */
static uint32_t
gather_run(struct passage *passage, struct attachment *attachment,
           const struct onvm_consumer *consumer, uint32_t i, uint32_t ready)
{
    struct onvm_descriptor run[ONVM_MAX_SEGMENTS];
    enum onvm_drop_reason fault;
    bool whole;
    uint32_t count = onvm_consumer_peek_run(consumer, i, run, &whole);

    if (count == 0 || i + count > ready)
        return 0;
    fault = run_fault(attachment, run, count, whole);
    if (fault == ONVM_DROP_REASON_COUNT)
        admit_run(passage, run, (uint8_t)count);
    for (uint32_t k = 0; k < count && fault != ONVM_DROP_REASON_COUNT; k++)
        post_refusal(attachment, run[k], fault);
    return count;
}

/* Sums the burst up, once it is whole. */
static void
survey(struct passage *passage)
{
    const struct onvm_burst *burst = &passage->burst;
    uint16_t paths = 0;
    uint8_t hops = 0, flags = 0;

    for (uint32_t i = 0; i < burst->count; i++) {
        paths |= burst->descriptor[i].path ^ burst->descriptor[0].path;
        hops |= burst->descriptor[i].hop ^ burst->descriptor[0].hop;
        flags |= burst->descriptor[i].flags;
        passage->bytes += burst->descriptor[i].length;
    }
    passage->flags = flags;
    passage->together = (paths & 0x3ff) == 0 && hops == 0 && passage->further == 0;
}

static void
begin(struct passage *passage, const struct attachment *attachment)
{
    struct onvm_burst *burst = &passage->burst;

    burst->base = attachment->buffers;
    burst->stride = attachment->welcome.stride;
    burst->now = clock_coarse();
    burst->count = 0;
    passage->bytes = 0;
    passage->further = 0;
    memset(burst->verdict, ONVM_VERDICT_NEXT, sizeof(burst->verdict));
}

uint32_t
passage_gather(struct passage *passage, struct member *member,
               const struct onvm_consumer *consumer, uint32_t ready)
{
    struct attachment *attachment = &member->session.attachment;

    begin(passage, attachment);
    for (uint32_t i = 0, taken = 1; i < ready; i += taken) {
        struct onvm_descriptor descriptor = onvm_consumer_peek(consumer, i);

        taken = 1;
        if (__builtin_expect((descriptor.flags & ONVM_FLAG_SEGMENT) != 0, 0)) {
            taken = gather_run(passage, attachment, consumer, i, ready);
        } else if (__builtin_expect(examine(attachment, &descriptor), 1)) {
            admit(passage, descriptor);
            __builtin_prefetch(passage->burst.data[passage->burst.count - 1], 1);
        }
        if (taken == 0)
            ready = i;
    }
    survey(passage);
    return ready;
}

/* In place: the burst never overtakes itself.  What lies in the caches is not fetched again. */
void
passage_go_on(struct passage *passage, struct member *member)
{
    struct attachment *attachment = &member->session.attachment;
    struct onvm_burst *burst = &passage->burst;
    uint32_t count = burst->count;

    burst->count = 0;
    passage->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct onvm_descriptor descriptor = burst->descriptor[i];

        if (__builtin_expect(examine(attachment, &descriptor), 1))
            admit(passage, descriptor);
    }
    survey(passage);
    passage_handle(passage, member);
}

static void
count_hop(struct onvm_nf_counters *counters, const struct onvm_descriptor *descriptor,
          uint32_t packets, uint64_t bytes)
{
    struct onvm_flow_count *hop;

    if (descriptor->hop >= ONVM_MAX_HOPS)
        return;
    hop = &counters->hop[onvm_path_chain(descriptor->path)][descriptor->hop];
    ONVM_COUNT(hop->packets, packets);
    ONVM_COUNT(hop->bytes, bytes);
}

static void
count_received(const struct passage *passage, struct onvm_nf_counters *counters)
{
    const struct onvm_burst *burst = &passage->burst;

    ONVM_COUNT(counters->bursts, 1);
    ONVM_COUNT(counters->rx.packets, burst->count);
    ONVM_COUNT(counters->rx.bytes, passage->bytes);
    if (passage->together) {
        count_hop(counters, &burst->descriptor[0], burst->count, passage->bytes);
        return;
    }
    for (uint32_t i = 0; i < burst->count; i++)
        count_hop(counters, &burst->descriptor[i], 1, onvm_packet_length(burst, i));
}

/* Verdicts are NEXT: a passage begins so, and only what is NEXT goes on as it is. */
static void
process(struct passage *passage, struct session *session)
{
    struct onvm_nf_counters *counters = attachment_counters(&session->attachment);
    struct onvm_burst *burst = &passage->burst;
    uint64_t start;

    memset(burst->argument, 0, sizeof(burst->argument));
    start = clock_cycles();
    session->module->handler(burst, session->state);
    ONVM_COUNT(counters->handler_cycles, clock_cycles() - start);
}

/* Where the burst has sampled packets, how long they waited and took is noted. */
static void
process_timed(struct passage *passage, struct session *session)
{
    uint64_t taken;

    if (__builtin_expect((passage->flags & ONVM_FLAG_SAMPLED) == 0, 1)) {
        process(passage, session);
        return;
    }
    taken = latency_take(&session->attachment, &passage->burst);
    process(passage, session);
    latency_post(&session->attachment, &passage->burst, taken);
}

void
passage_handle(struct passage *passage, struct member *member)
{
    member->busy = true;
    if (passage->burst.count > 0) {
        count_received(passage, attachment_counters(&member->session.attachment));
        process_timed(passage, &member->session);
    }
    post_burst(passage, member);
    member->busy = false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "passage.h"

#include <string.h>

#include "../protocol/survey.h"
#include "clock.h"
#include "latency.h"
#include "post.h"

#define CLOCKED 8 /* one burst of so many has its time taken, for all of them */

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

static inline uint8_t *
place_of(uint8_t *base, uint32_t stride, uint64_t place)
{
    return base + (size_t)onvm_buffer_index((uint32_t)place) * stride + (uint16_t)(place >> 32);
}

/* Adds a packet to the burst by its first descriptor. */
static void
admit(struct passage *passage, struct onvm_descriptor descriptor)
{
    struct onvm_burst *burst = &passage->burst;
    uint32_t i = burst->count;

    burst->descriptor[i] = descriptor;
    burst->data[i] = place_of(burst->base, burst->stride, onvm_descriptor_read(&descriptor).place);
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
           struct onvm_consumer *consumer, uint32_t i, uint32_t ready)
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

/* What is true of a burst's packets together. */
struct survey {
    struct onvm_survey descriptors;
    uint64_t bytes;
    uint32_t stray;         /* not 0: one lies in no buffer */
    uint32_t slice_buffers; /* of the attachment: a copy, which stays in a register */
};

static inline struct survey
survey_open(const struct attachment *attachment, struct onvm_words first)
{
    return (struct survey){
        .descriptors = onvm_survey_open(first, attachment->welcome.stride, ONVM_FRAME_MIN),
        .slice_buffers = attachment->welcome.slice_buffers,
    };
}

/* As in_bounds and ONVM_FRAME_MIN say. */
static inline void
survey_packet(struct survey *survey, const struct attachment *attachment, struct onvm_words words)
{
    uint32_t index = onvm_buffer_index((uint32_t)words.place);

    onvm_survey_add(&survey->descriptors, words);
    survey->bytes += words.place >> 48;
    if (index >= survey->slice_buffers)
        survey->stray |= !attachment_has_buffer(attachment, index);
}

/* Whether a handler may see all of the packets. */
static inline bool
survey_is_good(const struct survey *survey)
{
    return survey->stray == 0 && onvm_survey_is_in_bounds(&survey->descriptors);
}

static void
survey_close(const struct survey *survey, struct passage *passage)
{
    uint64_t differs = survey->descriptors.differs;

    passage->bytes += survey->bytes;
    passage->flags = onvm_survey_flags(&survey->descriptors);
    passage->together = (differs >> 32 & ONVM_WAY_CHAIN_AND_HOP) == 0 && passage->further == 0;
    passage->one_flow = ((uint32_t)differs | (differs >> 56 & ONVM_FLAG_ERA)) == 0;
}

static void
begin(struct passage *passage, const struct attachment *attachment)
{
    struct onvm_burst *burst = &passage->burst;

    burst->base = attachment->buffers;
    burst->stride = attachment->welcome.stride;
    burst->now = clock_coarse();
    burst->count = 0;
    burst->reshaped = false;
    passage->bytes = 0;
    passage->further = 0;
    passage->ahead = 0;
    memset(burst->verdict, ONVM_VERDICT_NEXT, sizeof(burst->verdict));
}

/* Takes a row of slots as the burst's packets from the i-th on. */
static void
gather_row(struct onvm_burst *burst, uint32_t i, const struct onvm_descriptor *slot, uint32_t row,
           const struct attachment *attachment, struct survey *survey)
{
    struct onvm_descriptor *descriptor = &burst->descriptor[i];
    uint8_t **data = &burst->data[i];
    struct survey seen = *survey; /* as base and stride: no store can change it */
    uint8_t *base = burst->base;
    uint32_t stride = burst->stride;

    for (uint32_t k = 0; k < row; k++) {
        struct onvm_words words = onvm_descriptor_read(&slot[k]);

        onvm_descriptor_write(&descriptor[k], words);
        data[k] = place_of(base, stride, words.place);
        __builtin_prefetch(data[k], 1);
        survey_packet(&seen, attachment, words);
    }
    *survey = seen;
}

/*
 * Takes a burst in which every packet is in order and of one segment, as nearly all
 * are.  False: it is not such a one, and is to be gathered one by one.
 */
static bool
gather_together(struct passage *passage, const struct attachment *attachment,
                const struct onvm_consumer *consumer, uint32_t count)
{
    struct survey survey = survey_open(attachment, onvm_consumer_read(consumer, 0));
    struct onvm_burst *burst = &passage->burst;

    for (uint32_t i = 0, row; i < count; i += row) {
        const struct onvm_descriptor *slot = onvm_consumer_row(consumer, i, count - i, &row);

        gather_row(burst, i, slot, row, attachment, &survey);
    }
    survey_close(&survey, passage);
    burst->count = count;
    return survey_is_good(&survey) && (passage->flags & ONVM_FLAG_SEGMENT) == 0;
}

/* True: a handler may not see one of the packets. */
static bool
survey_all(struct passage *passage, const struct attachment *attachment)
{
    const struct onvm_burst *burst = &passage->burst;
    struct survey survey =
        survey_open(attachment, onvm_descriptor_read(&burst->descriptor[0]));

    for (uint32_t i = 0; i < burst->count; i++)
        survey_packet(&survey, attachment, onvm_descriptor_read(&burst->descriptor[i]));
    survey_close(&survey, passage);
    return !survey_is_good(&survey);
}

static uint32_t
gather_one_by_one(struct passage *passage, struct attachment *attachment,
                  struct onvm_consumer *consumer, uint32_t ready)
{
    passage->burst.count = 0;
    passage->bytes = 0;
    for (uint32_t i = 0, taken = 1; i < ready; i += taken) {
        struct onvm_descriptor descriptor;

        taken = 1;
        onvm_consumer_peek(consumer, i, &descriptor);
        if ((descriptor.flags & ONVM_FLAG_SEGMENT) != 0)
            taken = gather_run(passage, attachment, consumer, i, ready);
        else if (examine(attachment, &descriptor))
            admit(passage, descriptor);
        if (taken == 0)
            ready = i;
    }
    survey_all(passage, attachment);
    return ready;
}

uint32_t
passage_gather(struct passage *passage, struct member *member, struct onvm_consumer *consumer,
               uint32_t ready)
{
    struct attachment *attachment = &member->session.attachment;

    begin(passage, attachment);
    if (__builtin_expect(!gather_together(passage, attachment, consumer, ready), 0))
        ready = gather_one_by_one(passage, attachment, consumer, ready);
    onvm_consumer_prefetch(consumer, ready, ONVM_BURST);
    return ready;
}

/* Takes out of a burst what its next handler may not see. */
static void
sift(struct passage *passage, struct attachment *attachment)
{
    struct onvm_burst *burst = &passage->burst;
    uint32_t count = burst->count;

    burst->count = 0;
    passage->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct onvm_descriptor descriptor = burst->descriptor[i];

        if (examine(attachment, &descriptor))
            admit(passage, descriptor);
    }
    survey_all(passage, attachment);
}

void
passage_settle(struct passage *passage)
{
    for (uint32_t i = 0; passage->ahead > 0 && i < passage->burst.count; i++)
        passage->burst.descriptor[i].hop =
            (uint8_t)(passage->burst.descriptor[i].hop + passage->ahead);
    passage->ahead = 0;
}

/* Looks at all packets again, which the handler before gave other places or lengths. */
static void
resurvey(struct passage *passage, struct attachment *attachment)
{
    struct onvm_burst *burst = &passage->burst;

    burst->reshaped = false;
    passage->bytes = 0;
    for (uint32_t i = 0; i < burst->count; i++)
        burst->data[i] = place_of(burst->base, burst->stride,
                                  onvm_descriptor_read(&burst->descriptor[i]).place);
    if (survey_all(passage, attachment))
        sift(passage, attachment);
}

/* Where the handler before changed no packet's place, all that is known of the burst still holds. */
void
passage_go_on(struct passage *passage, struct member *member)
{
    passage->ahead++;
    if (passage->burst.reshaped) {
        passage_settle(passage);
        resurvey(passage, &member->session.attachment);
    }
    passage_handle(passage, member);
}

static void
count_hop(struct onvm_nf_counters *counters, uint16_t path, uint32_t at, uint32_t packets,
          uint64_t bytes)
{
    struct onvm_flow_count *hop;

    if (at >= ONVM_MAX_HOPS)
        return;
    hop = &counters->hop[onvm_path_chain(path)][at];
    ONVM_COUNT(hop->packets, packets);
    ONVM_COUNT(hop->bytes, bytes);
}

static void
count_received(const struct passage *passage, struct onvm_nf_counters *counters)
{
    const struct onvm_burst *burst = &passage->burst;
    const struct onvm_descriptor *first = &burst->descriptor[0];

    ONVM_COUNT(counters->bursts, 1);
    ONVM_COUNT(counters->rx.packets, burst->count);
    ONVM_COUNT(counters->rx.bytes, passage->bytes);
    if (passage->together) {
        count_hop(counters, first->path, (uint32_t)first->hop + passage->ahead, burst->count,
                  passage->bytes);
        return;
    }
    for (uint32_t i = 0; i < burst->count; i++)
        count_hop(counters, first[i].path, first[i].hop, 1, onvm_packet_length(burst, i));
}

/* Verdicts are NEXT: a passage begins so, and only what is NEXT goes on as it is. */
static void
process(struct passage *passage, struct session *session)
{
    struct onvm_nf_counters *counters = attachment_counters(&session->attachment);
    struct onvm_burst *burst = &passage->burst;
    uint64_t start;

    memset(burst->argument, 0, sizeof(burst->argument));
    if (counters->bursts % CLOCKED != 0) {
        session->module->handler(burst, session->state);
        return;
    }
    start = clock_cycles();
    session->module->handler(burst, session->state);
    ONVM_COUNT(counters->handler_cycles, CLOCKED * (clock_cycles() - start));
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
    passage_settle(passage);
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <sched.h>
#include <string.h>

#include "clock.h"
#include "post.h"

#define SLEEP_MAX 100000000 /* nanoseconds; after it the socket is looked at again */

struct loop {
    struct session *session;
    const volatile sig_atomic_t *stop;
    uint64_t next_timer; /* when the module's timer is due */
    uint32_t empty;      /* turns without a packet, one after the other */
    bool together;       /* the burst has one chain and hop, and no runs */
    uint64_t bytes;      /* of the burst */
    uint8_t further;     /* descriptors in burst.further */
    struct onvm_burst burst;
};

static bool
in_bounds(const struct onvm_welcome *region, const struct onvm_descriptor *descriptor)
{
    return onvm_buffer_index(descriptor->buffer) < region->buffers &&
           (uint32_t)descriptor->offset + descriptor->length <= region->stride;
}

/* Whether a handler may see the packet; sends it home where not. */
static bool
examine(struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    bool good = in_bounds(&attachment->welcome, descriptor);

    if (good && descriptor->length >= ONVM_FRAME_MIN)
        return true;
    post_refusal(attachment, *descriptor, good ? ONVM_DROP_runt : ONVM_DROP_bad_bounds);
    return false;
}

/* Adds a packet to the burst by its first descriptor. */
static void
admit(struct loop *loop, struct onvm_descriptor descriptor)
{
    struct onvm_burst *burst = &loop->burst;
    uint32_t i = burst->count;

    burst->descriptor[i] = descriptor;
    burst->data[i] = burst->base + (size_t)onvm_buffer_index(descriptor.buffer) * burst->stride +
                     descriptor.offset;
    __builtin_prefetch(burst->data[i], 1);
    burst->count++;
}

static enum onvm_drop_reason
run_fault(const struct onvm_welcome *region, const struct onvm_descriptor *run, uint32_t count,
          bool whole)
{
    if (!whole || !onvm_run_agrees(run, count))
        return ONVM_DROP_bad_run;
    for (uint32_t k = 0; k < count; k++)
        if (!in_bounds(region, &run[k]))
            return ONVM_DROP_bad_bounds;
    return run[0].length < ONVM_FRAME_MIN ? ONVM_DROP_runt : ONVM_DROP_REASON_COUNT;
}

static void
admit_run(struct loop *loop, const struct onvm_descriptor *run, uint8_t count)
{
    struct onvm_burst *burst = &loop->burst;
    struct onvm_run *further = &burst->run[burst->count];

    *further = (struct onvm_run){.first = loop->further, .count = (uint8_t)(count - 1)};
    for (uint32_t k = 1; k < count; k++) {
        further->length = (uint16_t)(further->length + run[k].length);
        burst->further[loop->further++] = run[k];
    }
    loop->bytes += further->length;
    admit(loop, run[0]);
}

/*
 * Takes the run that begins at the i-th descriptor, if it ends before `ready`; one
 * that is no packet is sent home piece by piece.  Returns the descriptors taken.
 */
static uint32_t
gather_run(struct loop *loop, const struct onvm_consumer *consumer, uint32_t i, uint32_t ready)
{
    struct attachment *attachment = &loop->session->attachment;
    struct onvm_descriptor run[ONVM_MAX_SEGMENTS];
    enum onvm_drop_reason fault;
    bool whole;
    uint32_t count = onvm_consumer_peek_run(consumer, i, run, &whole);

    if (count == 0 || i + count > ready)
        return 0;
    fault = run_fault(&attachment->welcome, run, count, whole);
    if (fault == ONVM_DROP_REASON_COUNT)
        admit_run(loop, run, (uint8_t)count);
    for (uint32_t k = 0; k < count && fault != ONVM_DROP_REASON_COUNT; k++)
        post_refusal(attachment, run[k], fault);
    return count;
}

/* Copies descriptors into the burst; they stay peeked.  Returns how many: a run is not cut. */
static uint32_t
gather(struct loop *loop, const struct onvm_consumer *consumer, uint32_t ready)
{
    struct onvm_burst *burst = &loop->burst;
    uint16_t paths = 0;
    uint8_t hops = 0;

    burst->count = 0;
    loop->bytes = 0;
    loop->further = 0;
    for (uint32_t i = 0, taken = 1; i < ready; i += taken) {
        struct onvm_descriptor descriptor = onvm_consumer_peek(consumer, i);

        taken = 1;
        if (__builtin_expect((descriptor.flags & ONVM_FLAG_SEGMENT) != 0, 0))
            taken = gather_run(loop, consumer, i, ready);
        else if (__builtin_expect(examine(&loop->session->attachment, &descriptor), 1))
            admit(loop, descriptor);
        if (taken == 0)
            ready = i;
    }
    for (uint32_t i = 0; i < burst->count; i++) {
        paths |= burst->descriptor[i].path ^ burst->descriptor[0].path;
        hops |= burst->descriptor[i].hop ^ burst->descriptor[0].hop;
        loop->bytes += burst->descriptor[i].length;
    }
    loop->together = (paths & 0x3ff) == 0 && hops == 0 && loop->further == 0;
    return ready;
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
count_received(struct loop *loop)
{
    struct onvm_nf_counters *counters = attachment_counters(&loop->session->attachment);
    const struct onvm_burst *burst = &loop->burst;

    ONVM_COUNT(counters->bursts, 1);
    ONVM_COUNT(counters->rx.packets, burst->count);
    ONVM_COUNT(counters->rx.bytes, loop->bytes);
    if (loop->together) {
        count_hop(counters, &burst->descriptor[0], burst->count, loop->bytes);
        return;
    }
    for (uint32_t i = 0; i < burst->count; i++)
        count_hop(counters, &burst->descriptor[i], 1, onvm_packet_length(burst, i));
}

static void
process(struct loop *loop)
{
    struct session *session = loop->session;
    struct onvm_nf_counters *counters = attachment_counters(&session->attachment);
    struct onvm_burst *burst = &loop->burst;
    uint64_t start;

    memset(burst->verdict, ONVM_VERDICT_NEXT, sizeof(burst->verdict));
    memset(burst->argument, 0, sizeof(burst->argument));
    burst->now = clock_coarse();
    start = clock_cycles();
    session->module->handler(burst, session->state);
    ONVM_COUNT(counters->handler_cycles, clock_cycles() - start);
}

/* One burst of one input edge; returns the number of descriptors it moved. */
static uint32_t
serve(struct loop *loop, struct onvm_consumer *consumer)
{
    struct attachment *attachment = &loop->session->attachment;
    uint32_t ready = onvm_consumer_ready(consumer, ONVM_BURST);

    if (ready > 0)
        ready = onvm_producer_room(&attachment->home.producer, ready);
    if (ready == 0)
        return 0;
    ready = gather(loop, consumer, ready);
    if (loop->burst.count > 0) {
        count_received(loop);
        process(loop);
    }
    post_burst(attachment, &loop->burst, loop->together);
    onvm_consumer_release(consumer, ready);
    return ready;
}

/* Packets move once the module knows its parameters and there is a way home. */
static bool
may_move(const struct session *session)
{
    return session->configured && output_is_open(&session->attachment.home);
}

/* One burst of each input edge. */
static uint32_t
turn(struct loop *loop)
{
    struct attachment *attachment = &loop->session->attachment;
    uint32_t moved = 0;

    if (!may_move(loop->session))
        return 0;
    for (uint16_t i = 0; i < attachment->inputs; i++)
        moved += serve(loop, &attachment->input[attachment->input_slot[i]].consumer);
    return moved;
}

/* Whether packets wait that may be moved now, or as soon as the home edge has room. */
static bool
has_packets(const struct session *session)
{
    const struct attachment *attachment = &session->attachment;

    for (uint16_t i = 0; i < attachment->inputs; i++)
        if (onvm_consumer_ready(&attachment->input[attachment->input_slot[i]].consumer, 1) > 0)
            return may_move(session);
    return false;
}

static bool
has_mail(const struct attachment *attachment)
{
    return __atomic_load_n(&attachment_doorbell(attachment)->mail, __ATOMIC_RELAXED) != 0;
}

/* The flag is lowered first: a message that comes in between raises it again. */
static void
read_mail(struct session *session)
{
    __atomic_store_n(&attachment_doorbell(&session->attachment)->mail, 0, __ATOMIC_SEQ_CST);
    session_follow(session);
}

/* Calls the module's timer when it is due; returns the nanoseconds until the next call. */
static uint64_t
run_timer(struct loop *loop, uint64_t now)
{
    const struct onvm_module *module = loop->session->module;

    if (!module->timer)
        return SLEEP_MAX;
    if (now >= loop->next_timer) {
        module->timer(loop->session->state, now);
        loop->next_timer = now + module->timer_interval;
    }
    return loop->next_timer - now;
}

/*
 * Sleeps until a producer rings, for a short while at the most: a data plane that
 * died rings no more, and shows at the socket only.
 */
static void
sleep_until_rung(struct loop *loop, uint64_t longest)
{
    struct attachment *attachment = &loop->session->attachment;
    struct onvm_doorbell *doorbell = attachment_doorbell(attachment);

    onvm_doorbell_arm(doorbell);
    if (!has_packets(loop->session) && !has_mail(attachment) && !*loop->stop) {
        ONVM_COUNT(attachment_counters(attachment)->sleeps, 1);
        onvm_doorbell_wait(doorbell, (long)(longest < SLEEP_MAX ? longest : SLEEP_MAX));
    }
    onvm_doorbell_disarm(doorbell);
}

/* A turn that moved nothing: spin, then yield, then sleep. */
static void
rest(struct loop *loop)
{
    const struct onvm_welcome *welcome = &loop->session->attachment.welcome;
    uint64_t longest;

    if (loop->empty < welcome->spin) {
        loop->empty++;
        clock_relax();
        return;
    }
    if (loop->empty - welcome->spin < welcome->yield) {
        loop->empty++;
        sched_yield();
        return;
    }
    longest = run_timer(loop, clock_coarse());
    session_follow(loop->session);
    if (loop->session->end != SESSION_RUNNING)
        return;
    if (has_packets(loop->session))
        sched_yield(); /* nobody rings when the home edge has room again */
    else
        sleep_until_rung(loop, longest);
}

void
loop_run(struct session *session, const volatile sig_atomic_t *stop)
{
    struct loop loop = {
        .session = session,
        .stop = stop,
        .burst = {.stride = session->attachment.welcome.stride,
                  .base = session->attachment.region.base},
    };

    while (session->end == SESSION_RUNNING && !*stop) {
        if (has_mail(&session->attachment)) {
            read_mail(session);
        } else if (turn(&loop) > 0) {
            loop.empty = 0;
            run_timer(&loop, loop.burst.now);
        } else {
            rest(&loop);
        }
    }
}

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
    bool together;       /* the burst has one chain and hop */
    uint64_t bytes;      /* of the burst */
    struct onvm_burst burst;
};

static bool
in_bounds(const struct onvm_welcome *region, const struct onvm_descriptor *descriptor)
{
    return onvm_buffer_index(descriptor->buffer) < region->buffers &&
           (uint32_t)descriptor->offset + descriptor->length <= region->stride;
}

/* Adds a descriptor to the burst, or sends it home where no handler may see it. */
static void
admit(struct loop *loop, struct onvm_descriptor descriptor)
{
    struct attachment *attachment = &loop->session->attachment;
    struct onvm_burst *burst = &loop->burst;
    uint32_t i = burst->count;

    if (__builtin_expect(!in_bounds(&attachment->welcome, &descriptor), 0)) {
        post_refusal(attachment, descriptor, ONVM_DROP_bad_bounds);
        return;
    }
    if (__builtin_expect(descriptor.length < ONVM_FRAME_MIN, 0)) {
        post_refusal(attachment, descriptor, ONVM_DROP_runt);
        return;
    }
    burst->descriptor[i] = descriptor;
    burst->data[i] = (uint8_t *)attachment->region.base +
                     (size_t)onvm_buffer_index(descriptor.buffer) * burst->stride +
                     descriptor.offset;
    __builtin_prefetch(burst->data[i], 1);
    burst->count++;
}

/* Copies `ready` descriptors into the burst; they stay peeked. */
static void
gather(struct loop *loop, const struct onvm_consumer *consumer, uint32_t ready)
{
    struct onvm_burst *burst = &loop->burst;
    uint16_t paths = 0;
    uint8_t hops = 0;

    burst->count = 0;
    loop->bytes = 0;
    for (uint32_t i = 0; i < ready; i++)
        admit(loop, onvm_consumer_peek(consumer, i));
    for (uint32_t i = 0; i < burst->count; i++) {
        paths |= burst->descriptor[i].path ^ burst->descriptor[0].path;
        hops |= burst->descriptor[i].hop ^ burst->descriptor[0].hop;
        loop->bytes += burst->descriptor[i].length;
    }
    loop->together = (paths & 0x3ff) == 0 && hops == 0;
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
        count_hop(counters, &burst->descriptor[i], 1, burst->descriptor[i].length);
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
    gather(loop, consumer, ready);
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
        .burst = {.stride = session->attachment.welcome.stride},
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

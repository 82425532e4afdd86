/* SPDX-License-Identifier: BSD-3-Clause */
/* From ports into the first NF of a chain. */
#include "../protocol/routes.h"
#include "chain_probe.h"
#include "reception.h"
#include "ways.h"
#include "worker.h"

/* Packets of one chain in a row are counted together. */
struct tally {
    uint16_t chain;
    uint32_t packets;
    uint32_t bytes;
};

static void
tally_close(struct worker *worker, struct tally *tally)
{
    struct onvm_flow_count *in = &worker->counters->chain[tally->chain].in;

    if (tally->packets == 0)
        return;
    ONVM_COUNT(in->packets, tally->packets);
    ONVM_COUNT(in->bytes, tally->bytes);
    *tally = (struct tally){0};
}

static void
tally_add(struct worker *worker, struct tally *tally, uint16_t chain, uint32_t bytes)
{
    if (tally->chain != chain)
        tally_close(worker, tally);
    tally->chain = chain;
    tally->packets++;
    tally->bytes += bytes;
}

/*
 * The outlet, with its room in this burst.  The NF's line is asked for once a burst:
 * to look again and again at a full edge would slow down the one who empties it.
 */
static struct outlet *
touch(struct worker *worker, uint16_t nf, uint32_t want)
{
    struct outlet *outlet = &worker->outlet[nf];

    if (!outlet->touched) {
        outlet->touched = true;
        outlet->room = onvm_producer_room(&outlet->producer, want);
        worker->touched_list[worker->touched++] = nf;
    }
    return outlet;
}

static inline void
hand_out(struct worker *worker, struct onvm_producer *producer, const struct port *port,
         const struct rte_mbuf *frame, const struct classification *result, uint8_t flags)
{
    uint32_t index = region_index(worker->region, frame);
    struct onvm_descriptor descriptor = {
        .buffer = ledger_hand_out(
            &worker->ledger, index,
            (struct ledger_life){result->chain, result->ttl, worker->now}),
        .offset = frame->data_off,
        .length = (uint16_t)frame->data_len,
        .flow = result->flow,
        .path = onvm_path(result->chain, port->id),
        .flags = (uint8_t)(onvm_era_flags(result->era) | flags),
    };

    onvm_producer_put(producer, &descriptor);
}

static inline uint16_t
entrance(const struct worker *worker, uint16_t service, const struct classification *result)
{
    unsigned place = onvm_table_place(result->flow, onvm_era_flags(result->era));

    return __atomic_load_n(&worker->entrance[service][place], __ATOMIC_RELAXED);
}

/* Takes the frame's buffers apart: each comes home, or is taken back, by itself. */
static void
hand_out_run(struct worker *worker, struct onvm_producer *producer, const struct port *port,
             struct rte_mbuf *frame, const struct classification *result, uint8_t flags)
{
    struct rte_mbuf *next;

    for (struct rte_mbuf *segment = frame; segment != NULL; segment = next) {
        next = segment->next;
        segment->next = NULL;
        segment->nb_segs = 1;
        hand_out(worker, producer, port, segment, result,
                 next != NULL ? flags | ONVM_FLAG_SEGMENT : flags);
        flags = 0; /* only the first is a sample */
        if (segment != frame)
            ledger_mark_later(&worker->ledger, region_index(worker->region, segment));
    }
}

static void
turn_away(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
          enum onvm_drop_reason reason, uint8_t flags)
{
    if (unlikely(flags & ONVM_FLAG_SAMPLED))
        trace_end(&worker->latency.trace, region_index(worker->region, frame), chain,
                  ONVM_VERDICT_DROP, (uint16_t)reason);
    worker_drop(worker, chain, frame, reason);
}

/* Notes that a sampled packet leaves; false: it was a probe, and has ended. */
static bool
pass_sampled(struct worker *worker, struct rte_mbuf *frame, uint16_t chain)
{
    struct trace *trace = &worker->latency.trace;
    uint32_t buffer = region_index(worker->region, frame);

    trace_end(trace, buffer, chain, ONVM_VERDICT_NEXT, 0);
    if (!trace_is_probe(trace, buffer) || chain_probe_goes_on(worker, chain))
        return true;
    chain_probe_end(worker, chain, worker->path[chain].egress, frame);
    return false;
}

/* A chain without NFs ends where it begins. */
static void
pass(struct worker *worker, struct rte_mbuf *frame, const struct classification *result,
     uint8_t flags)
{
    if (unlikely(flags & ONVM_FLAG_SAMPLED) && !pass_sampled(worker, frame, result->chain))
        return;
    flags |= onvm_era_flags(result->era);
    egress_leave(worker, result->chain, frame,
                 (struct leaving){result->flow, flags, result->ttl});
}

static void
enter_chain(struct worker *worker, const struct port *port, struct rte_mbuf *frame,
            const struct classification *result, uint8_t flags)
{
    const struct path *path = &worker->path[result->chain];
    struct outlet *outlet;
    uint16_t nf;

    if (path->hops == 0) {
        reception_forget(frame);
        pass(worker, frame, result, flags);
        return;
    }
    if (path->in_flight >= path->limit ||
        (path->shedding && pressure_blocks(worker, path, result))) {
        turn_away(worker, result->chain, frame, ONVM_DROP_backpressure, flags);
        return;
    }
    nf = entrance(worker, path->service[0], result);
    if (nf == WORKER_NO_NF) {
        turn_away(worker, result->chain, frame, ONVM_DROP_no_instance, flags);
        return;
    }
    outlet = touch(worker, nf, ONVM_BURST * port->segments);
    if (outlet->room < frame->nb_segs) {
        turn_away(worker, result->chain, frame, ONVM_DROP_backpressure, flags);
        return;
    }
    outlet->room -= frame->nb_segs;
    worker->path[result->chain].in_flight += frame->nb_segs;
    if (unlikely(frame->nb_segs > 1))
        hand_out_run(worker, &outlet->producer, port, frame, result, flags);
    else
        hand_out(worker, &outlet->producer, port, frame, result, flags);
}

static inline uint8_t
sample_flag(uint64_t sampled, unsigned i)
{
    return sampled >> i & 1 ? ONVM_FLAG_SAMPLED : 0;
}

/* The bits in which classifications of a burst differ from the first. */
static inline uint64_t
differences(const struct classification *results, unsigned count)
{
    uint64_t differs = 0;

    for (unsigned i = 0; i < count; i++)
        differs |= classification_word(&results[i]) ^ classification_word(&results[0]);
    return differs;
}

static inline bool
have_one_segment(struct rte_mbuf **frames, unsigned count)
{
    unsigned differs = 0;

    for (unsigned i = 0; i < count; i++)
        differs |= frames[i]->nb_segs ^ 1u;
    return differs == 0;
}

/*
 * The NF that all frames of a burst enter their one chain by; WORKER_NO_NF: it is not so.
 * `differs`: see above.
 */
static inline uint16_t
common_entrance(const struct worker *worker, const struct classification *results,
                unsigned count, uint64_t differs)
{
    uint16_t service = worker->path[results[0].chain].service[0];
    uint16_t nf = entrance(worker, service, &results[0]), others = 0;

    if ((differs & ~CLASSIFICATION_FLOW) != 0)
        return WORKER_NO_NF;
    for (unsigned i = 0; i < count && differs != 0; i++)
        others |= entrance(worker, service, &results[i]) ^ nf;
    return others == 0 ? nf : WORKER_NO_NF;
}

/* What a row of descriptors is made of. */
struct handing {
    const struct ledger ledger; /* where it lies; not its count */
    const struct region region; /* base and reciprocal */
    struct ledger_life life;
    uint64_t way; /* without the flow */
};

/* Fills a row of slots; `alike`, a constant: flows are as the first.  Returns the bytes. */
static __rte_always_inline uint32_t
fill_row(const struct handing *handing, struct onvm_descriptor *slot, uint32_t row,
         struct rte_mbuf **frames, const struct classification *results, bool alike)
{
    uint64_t way = handing->way | results[0].flow;
    uint32_t bytes = 0;

    for (uint32_t k = 0; k < row; k++) {
        const struct rte_mbuf *frame = frames[k];
        uint32_t index = region_index(&handing->region, frame);

        onvm_descriptor_write(&slot[k], (struct onvm_words){
            .place = ledger_begin_life(&handing->ledger, index, handing->life) |
                     (uint64_t)frame->data_off << 32 | (uint64_t)frame->data_len << 48,
            .way = alike ? way : handing->way | results[k].flow,
        });
        bytes += frame->data_len;
    }
    return bytes;
}

/* Marks slots from `head` on as a burst's sampled packets are. */
static void
mark_sampled(const struct onvm_producer *producer, uint32_t head, uint64_t sampled)
{
    for (; sampled != 0; sampled &= sampled - 1) {
        uint32_t at = head + (uint32_t)__builtin_ctzll(sampled);

        producer->edge->slot[at & (producer->slots - 1)].flags |= ONVM_FLAG_SAMPLED;
    }
}

/* Puts a burst whose packets enter one chain by one NF; returns its bytes. */
static uint32_t
hand_out_together(struct worker *worker, struct onvm_producer *producer, const struct port *port,
                  struct rte_mbuf **frames, const struct classification *results, uint16_t count,
                  bool alike)
{
    const struct handing handing = {
        .ledger = worker->ledger,
        .region = {.base = worker->region->base, .reciprocal = worker->region->reciprocal},
        .life = {.chain = results[0].chain, .now = worker->now},
        .way = (uint64_t)onvm_path(results[0].chain, port->id) << 32 |
               (uint64_t)onvm_era_flags(results[0].era) << 56,
    };
    uint32_t bytes = 0;

    for (uint32_t i = 0, row; i < count; i += row) {
        struct onvm_descriptor *slot = onvm_producer_take_row(producer, count - i, &row);

        bytes += alike ? fill_row(&handing, slot, row, frames + i, results + i, true)
                       : fill_row(&handing, slot, row, frames + i, results + i, false);
    }
    worker->ledger.out += count;
    return bytes;
}

/*
 * The whole burst at once, where it goes one way and meets no obstacle: one check and
 * one count for all.  False: nothing was done.
 */
static bool
enter_together(struct worker *worker, const struct port *port, struct rte_mbuf **frames,
               const struct classification *results, uint16_t count, uint64_t sampled)
{
    struct path *path = &worker->path[results[0].chain];
    struct tally tally = {.chain = results[0].chain, .packets = count};
    uint64_t differs;
    struct outlet *outlet;
    uint32_t head;
    uint16_t nf;

    if (results[0].chain == 0 || path->hops == 0 || path->detour != 0 || path->shedding ||
        path->in_flight + count > path->limit || !have_one_segment(frames, count))
        return false;
    differs = differences(results, count);
    nf = common_entrance(worker, results, count, differs);
    if (nf == WORKER_NO_NF)
        return false;
    outlet = touch(worker, nf, ONVM_BURST * port->segments);
    if (outlet->room < count)
        return false;
    head = outlet->producer.head;
    tally.bytes = hand_out_together(worker, &outlet->producer, port, frames, results, count,
                                    differs == 0);
    mark_sampled(&outlet->producer, head, sampled);
    path->in_flight += count;
    tally_close(worker, &tally);
    return true;
}

/* The chain whose way is open now: the packet's own or a lane; 0: none. */
static inline uint16_t
open_way(const struct worker *worker, const struct classification *result)
{
    uint16_t detour = worker->path[result->chain].detour;

    if (likely(detour == 0))
        return result->chain;
    if (detour == WAYS_SHED)
        return 0;
    return __atomic_load_n(&worker->spread[detour][result->flow % ONVM_BUCKETS], __ATOMIC_RELAXED);
}

static inline void
enter(struct worker *worker, const struct port *port, struct rte_mbuf *frame,
      struct classification *result, uint8_t flags, struct tally *tally)
{
    uint16_t chain = open_way(worker, result);

    if (unlikely(chain == 0)) {
        turn_away(worker, result->chain, frame, ONVM_DROP_link_down, flags);
        return;
    }
    result->chain = chain;
    tally_add(worker, tally, chain, frame->pkt_len);
    enter_chain(worker, port, frame, result, flags);
}

static void
enter_one_by_one(struct worker *worker, const struct port *port, struct rte_mbuf **frames,
                 struct classification *results, uint16_t count, uint64_t sampled,
                 struct tally *tally)
{
    for (uint16_t i = 0; i < count; i++) {
        if (results[i].chain == 0)
            turn_away(worker, 0, frames[i], results[i].reason, sample_flag(sampled, i));
        else
            enter(worker, port, frames[i], &results[i], sample_flag(sampled, i), tally);
    }
}

/* What the node before had sampled is sampled here as well. */
static void
enter_from_node(struct worker *worker, const struct port *port, struct rte_mbuf *frame,
                struct classification *result, struct trace_mark mark, struct tally *tally)
{
    if (unlikely(mark.id != 0))
        trace_arrive(&worker->latency.trace, port->id, frame, result, mark);
    enter(worker, port, frame, result, mark.id != 0 ? ONVM_FLAG_SAMPLED : 0, tally);
}

/* Enters what other nodes sent; returns how many frames are left, which lie in front. */
static uint16_t
enter_wrapped(struct worker *worker, const struct port *port, struct rte_mbuf **frames,
              uint16_t count, struct tally *tally)
{
    uint16_t left = 0;

    for (uint16_t i = 0; i < count; i++) {
        struct classification result;
        struct trace_mark mark = {0};
        enum unwrapped found = span_unwrap(worker, port->id, frames[i], &result, &mark);

        if (found == UNWRAPPED_ENTER)
            enter_from_node(worker, port, frames[i], &result, mark, tally);
        else if (found == UNWRAPPED_NOT)
            frames[left++] = frames[i];
    }
    return left;
}

static void
publish(struct worker *worker, uint16_t nf)
{
    struct outlet *outlet = &worker->outlet[nf];
    uint32_t given = outlet->producer.head - outlet->producer.published;

    outlet->touched = false;
    if (given == 0)
        return;
    onvm_producer_publish(&outlet->producer);
    ONVM_COUNT(worker->counters->nf[nf].given, given);
    if (!outlet->unrung)
        worker->unrung_list[worker->unrung++] = nf;
    outlet->unrung = true;
}

static void
publish_touched(struct worker *worker)
{
    for (unsigned i = 0; i < worker->touched; i++)
        publish(worker, worker->touched_list[i]);
    worker->touched = 0;
}

void
ingress_ring(struct worker *worker)
{
    if (worker->unrung == 0)
        return;
    onvm_doorbell_fence();
    while (worker->unrung > 0) {
        struct outlet *outlet = &worker->outlet[worker->unrung_list[--worker->unrung]];
        outlet->unrung = false;
        onvm_doorbell_wake(outlet->doorbell, -1);
    }
}

void
ingress_probe(struct worker *worker, const struct port *port, struct rte_mbuf *frame,
              const struct classification *result)
{
    struct tally tally = {0};

    tally_add(worker, &tally, result->chain, frame->pkt_len);
    if (worker->path[result->chain].detour != 0)
        turn_away(worker, result->chain, frame, ONVM_DROP_link_down, ONVM_FLAG_SAMPLED);
    else
        enter_chain(worker, port, frame, result, ONVM_FLAG_SAMPLED);
    tally_close(worker, &tally);
    publish_touched(worker);
    ingress_ring(worker);
    egress_flush(worker);
}

static unsigned
ingress_queue(struct worker *worker, struct port_queue *queue)
{
    struct port *port = queue->port;
    struct rte_mbuf *frames[ONVM_BURST];
    struct classification results[ONVM_BURST];
    struct tally tally = {0};
    uint16_t received = port->ops->receive(queue, frames, ONVM_BURST), count = received;
    uint64_t sampled;

    if (received == 0)
        return 0;
    news_take(&worker->news, worker->classifier, worker->now / 1000);
    if (unlikely(span_at(&worker->spans, port->id)))
        count = enter_wrapped(worker, port, frames, received, &tally);
    sampled = latency_sample(&worker->latency, frames, count);
    classifier_classify(worker->classifier, port->id, frames, count, worker->now / 1000, results);
    if (unlikely(worker->latency.trace.wanted != 0))
        sampled |= trace_choose(&worker->latency.trace, frames, results, count);
    if (unlikely(sampled != 0))
        trace_enter(&worker->latency.trace, port->id, frames, results, sampled);
    if (count == 0 || !enter_together(worker, port, frames, results, count, sampled))
        enter_one_by_one(worker, port, frames, results, count, sampled, &tally);
    tally_close(worker, &tally);
    publish_touched(worker);
    return received;
}

/* Ports take turns at being first: where a chain is full, the first one takes what became free. */
unsigned
ingress_turn(struct worker *worker)
{
    unsigned moved = 0, at = worker->first_port;

    for (unsigned i = 0; i < worker->ports; i++, at++) {
        struct port_queue *queue;

        if (at >= worker->ports)
            at = 0;
        queue = worker->queue[worker->port_list[at]];
        if (queue->receives)
            moved += ingress_queue(worker, queue);
    }
    worker->first_port = worker->first_port + 1 < worker->ports ? worker->first_port + 1 : 0;
    return moved;
}

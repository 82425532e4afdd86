/* SPDX-License-Identifier: BSD-3-Clause */
/* From the home edges of NFs to ports: what nearly every packet does. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "../protocol/survey.h"
#include "homecoming.h"

#define L2_HEADER 18u /* Ethernet and one VLAN tag, beside the MTU */
#define EGRESS_BURSTS 4 /* of one inlet in a turn */

void
egress_flush(struct worker *worker)
{
    for (unsigned i = 0; i < worker->ports; i++) {
        struct port_queue *queue = worker->queue[worker->port_list[i]];
        struct batch *batch = &worker->batch[queue->port->id];
        if (batch->count == 0)
            continue;
        queue->port->ops->transmit(queue, batch->frames, batch->count);
        batch->count = 0;
    }
}

/*
 * Queues a frame that may leave behind `count` others, and sends them when they make a
 * burst; returns how many wait then, which the caller keeps.
 */
static inline uint16_t
batch_add(struct port_queue *queue, struct batch *batch, uint16_t count, struct rte_mbuf *frame)
{
    batch->frames[count++] = frame;
    if (count < ONVM_BURST)
        return count;
    queue->port->ops->transmit(queue, batch->frames, count);
    return 0;
}

enum onvm_drop_reason
egress_obstacle(const struct worker *worker, uint8_t id, const struct rte_mbuf *frame)
{
    const struct port_queue *queue = worker->queue[id];

    if (queue == NULL)
        return ONVM_DROP_port_unknown;
    return frame->pkt_len > queue->port->mtu + L2_HEADER ? ONVM_DROP_oversize
                                                         : ONVM_DROP_REASON_COUNT;
}

void
egress_frame(struct worker *worker, uint8_t id, uint16_t chain, struct rte_mbuf *frame)
{
    struct port_queue *queue = worker->queue[id];
    struct batch *batch = &worker->batch[id];
    struct onvm_flow_count *out = &worker->counters->chain[chain].out;
    enum onvm_drop_reason obstacle = egress_obstacle(worker, id, frame);

    if (unlikely(obstacle != ONVM_DROP_REASON_COUNT)) {
        worker_drop(worker, chain, frame, obstacle);
        return;
    }
    ONVM_COUNT(out->packets, 1);
    ONVM_COUNT(out->bytes, frame->pkt_len);
    batch->count = batch_add(queue, batch, batch->count, frame);
}

/* Learns the way back of a frame, and lets the other workers know of it. */
static void
learn_return(struct worker *worker, const struct path *path, const struct rte_mbuf *frame,
             uint32_t flow, uint8_t era)
{
    struct classifier_news item;

    if (classifier_learn_return(worker->classifier, path->egress, frame, path->return_lineage,
                                flow, era, worker->now / 1000, &item))
        news_tell(&worker->news, &item);
}

/* The tag of a frame that leaves by a link. */
static struct nsh
make_tag(const struct worker *worker, uint16_t chain, const struct rte_mbuf *frame,
         struct leaving leaving)
{
    const struct exit *exit = &worker->exit[chain];

    return (struct nsh){
        .path_id = exit->path_id,
        .index = exit->index,
        .ttl = leaving.ttl != 0 ? leaving.ttl : exit->ttl,
        .flow = leaving.flow,
        .trace = unlikely(leaving.flags & ONVM_FLAG_SAMPLED)
                     ? trace_id(&worker->latency.trace, frame)
                     : 0,
    };
}

void
egress_leave(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
             struct leaving leaving)
{
    const struct path *path = &worker->path[chain];

    if (path->exits) {
        struct nsh tag = make_tag(worker, chain, frame, leaving);
        span_leave(worker, chain, frame, &tag);
        return;
    }
    if (path->return_lineage != 0)
        learn_return(worker, path, frame, leaving.flow, (uint8_t)onvm_era(leaving.flags));
    egress_frame(worker, path->egress, chain, frame);
}

/* Where packets in a row leave their chain, counted together. */
struct way_out {
    uint16_t chain;
    uint32_t longest; /* bytes of a frame that may leave at once; 0: none may */
    struct port_queue *queue;
    struct batch *batch;
    uint16_t queued; /* the batch's count, which is stale until the way is closed */
    uint32_t packets;
    uint64_t bytes;
};

/* Counts what left so far. */
static void
way_out_close(struct worker *worker, struct way_out *way)
{
    struct onvm_flow_count *out = &worker->counters->chain[way->chain].out;

    if (way->packets == 0)
        return;
    ONVM_COUNT(out->packets, way->packets);
    ONVM_COUNT(out->bytes, way->bytes);
    worker->path[way->chain].in_flight -= way->packets;
    worker->ledger.out -= way->packets;
    way->batch->count = way->queued;
    way->packets = 0;
    way->bytes = 0;
}

/* Where a frame is wrapped for a link, or its way back is to be learnt, none leaves at once. */
static void
way_out_open(struct worker *worker, struct way_out *way, uint16_t chain)
{
    const struct path *path = &worker->path[chain];
    struct port_queue *queue = worker->queue[path->egress];

    way_out_close(worker, way);
    *way = (struct way_out){
        .chain = chain,
        .longest = queue == NULL || path->exits || path->return_lineage != 0
                       ? 0
                       : queue->port->mtu + L2_HEADER,
        .queue = queue,
        .batch = &worker->batch[path->egress],
        .queued = worker->batch[path->egress].count,
    };
}

/* Whether it is a packet of one segment that goes on as its chain says. */
static inline bool
is_plain(uint32_t stride, struct onvm_words words)
{
    uint32_t length = words.place >> 48;

    return length >= SHORTEST_FRAME &&
           onvm_range_within((uint16_t)(words.place >> 32), length, stride) &&
           (words.way & ONVM_WAY_VERDICT) == (uint64_t)ONVM_VERDICT_NEXT << 56;
}

/* The entry of what a descriptor names, with the way out of its chain opened; NULL: look closer. */
static inline struct ledger_entry *
find_and_open(struct worker *worker, const struct ledger *ledger, struct way_out *way,
              uint32_t buffer)
{
    struct ledger_entry *entry = ledger_find_of(ledger, buffer, way->chain);
    enum onvm_drop_reason reason;

    if (likely(entry != NULL))
        return entry;
    entry = ledger_find(ledger, buffer, &reason);
    if (entry != NULL)
        way_out_open(worker, way, entry->chain);
    return entry;
}

/* Makes room for `count` frames in the batch of a way, by sending it. */
static void
make_room(struct way_out *way, uint32_t count)
{
    if (way->queued + count <= ONVM_BURST)
        return;
    way->queue->port->ops->transmit(way->queue, way->batch->frames, way->queued);
    way->queued = way->batch->count = 0; /* also where nothing follows that closes the way */
}

/*
 * What nearly every packet does: it comes home, leaves its chain by the chain's egress
 * and is queued.  All are plain; it ends before one of another chain, or that needs to be
 * looked at more closely.  Returns how many have left.
 */
static uint32_t
leave_together(struct worker *worker, const struct ledger *ledger, struct way_out *way,
               const struct onvm_descriptor *descriptors, uint32_t count)
{
    struct rte_mbuf *const *mbuf = worker->region->mbuf;
    struct rte_mbuf **frames;
    uint64_t bytes = 0;
    uint32_t left = 0;

    if (unlikely(find_and_open(worker, ledger, way, descriptors[0].buffer) == NULL ||
                 way->longest == 0))
        return 0;
    make_room(way, count);
    frames = way->batch->frames + way->queued;
    for (uint16_t chain = way->chain; left < count; left++) {
        uint64_t place = onvm_descriptor_words(&descriptors[left]).place;
        uint32_t buffer = (uint32_t)place, length = place >> 48;
        struct ledger_entry *entry = ledger_find_of(ledger, buffer, chain);

        if (unlikely(entry == NULL || length > way->longest))
            break;
        ledger_end_life(entry);
        frames[left] = mbuf[onvm_buffer_index(buffer)];
        describe_frame(frames[left], (uint16_t)(place >> 32), (uint16_t)length, length);
        bytes += length;
    }
    way->queued = (uint16_t)(way->queued + left);
    way->packets += left;
    way->bytes += bytes;
    make_room(way, 1); /* nobody expects a full batch */
    return left;
}

/* A packet that is not like most; it may join the batch of the way, too. */
static void
receive_closely(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor,
                bool probe, struct way_out *way)
{
    way_out_close(worker, way);
    if (probe)
        homecoming_probe(worker, nf, descriptor);
    else
        homecoming_one(worker, nf, descriptor);
    if (way->batch != NULL)
        way->queued = way->batch->count;
}

/* How many descriptors from the first on are plain, and no probes (bit i of `probes`). */
static uint32_t
plain_row(const struct onvm_descriptor *descriptors, uint32_t count, uint32_t stride,
          uint64_t probes)
{
    uint32_t i = 0;

    while (i < count && (probes >> i & 1) == 0 &&
           is_plain(stride, onvm_descriptor_words(&descriptors[i])))
        i++;
    return i;
}

/* `plain`: how many of the first are known to be; `probes`: bit i, descriptor i is one's. */
static uint32_t
receive_rows(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptors,
             uint32_t count, uint32_t plain, uint64_t probes)
{
    const struct ledger ledger = worker->ledger; /* where it lies; not its count */
    const uint32_t stride = worker->region->layout.stride;
    struct way_out way = {0};

    for (uint32_t i = 0, left; i < count; i += left) {
        if (i >= plain)
            plain = i + plain_row(descriptors + i, count - i, stride, probes >> i);
        left = i < plain ? leave_together(worker, &ledger, &way, descriptors + i, plain - i) : 0;
        if (left > 0)
            continue;
        receive_closely(worker, nf, &descriptors[i], probes >> i & 1, &way);
        left = 1;
    }
    way_out_close(worker, &way);
    return count;
}

/* Whether is_plain is true of all. */
static inline bool
all_are_plain(const struct onvm_survey *survey)
{
    return onvm_survey_is_in_bounds(survey) && (survey->differs & ONVM_WAY_VERDICT) == 0 &&
           (survey->first & ONVM_WAY_VERDICT) == (uint64_t)ONVM_VERDICT_NEXT << 56;
}

static uint32_t
receive_all(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptors,
            uint32_t count, const struct onvm_survey *survey)
{
    if (likely((onvm_survey_flags(survey) & ONVM_FLAG_SAMPLED) == 0))
        return receive_rows(worker, nf, descriptors, count, all_are_plain(survey) ? count : 0, 0);
    return receive_rows(worker, nf, descriptors, count, 0,
                        latency_record(&worker->latency, worker->region, &worker->ledger,
                                       descriptors, count));
}

static inline void
prefetch(const struct worker *worker, uint32_t index)
{
    if (unlikely(index - worker->ledger.first >= worker->ledger.count))
        return;
    rte_prefetch0(&worker->ledger.entry[index - worker->ledger.first]);
    rte_prefetch0(worker->region->mbuf[index]);
}

/* Copies a row of slots of the home edge. */
static void
peek_row(const struct worker *worker, const struct onvm_descriptor *slot, uint32_t row,
         struct onvm_descriptor *descriptors, struct onvm_survey *survey)
{
    struct onvm_survey seen = *survey; /* no store can change it */

    for (uint32_t k = 0; k < row; k++) {
        struct onvm_words words = onvm_descriptor_read(&slot[k]);

        onvm_descriptor_write(&descriptors[k], words);
        prefetch(worker, onvm_buffer_index((uint32_t)words.place));
        onvm_survey_add(&seen, words);
    }
    *survey = seen;
}

/* Copies a burst from the home edge. */
static struct onvm_survey
peek_burst(const struct worker *worker, const struct onvm_consumer *consumer,
           struct onvm_descriptor *descriptors, uint32_t count)
{
    struct onvm_survey survey = onvm_survey_open(
        onvm_consumer_read(consumer, 0), worker->region->layout.stride, SHORTEST_FRAME);

    for (uint32_t i = 0, row; i < count; i += row) {
        const struct onvm_descriptor *slot = onvm_consumer_row(consumer, i, count - i, &row);

        peek_row(worker, slot, row, descriptors + i, &survey);
    }
    return survey;
}

static unsigned
egress_inlet(struct worker *worker, struct inlet *inlet)
{
    struct onvm_descriptor descriptors[ONVM_BURST];
    uint32_t count = onvm_consumer_ready(&inlet->consumer, ONVM_BURST);
    struct onvm_survey survey;

    if (count == 0)
        return 0;
    survey = peek_burst(worker, &inlet->consumer, descriptors, count);
    onvm_consumer_prefetch(&inlet->consumer, count, ONVM_BURST);
    count = unlikely(onvm_survey_flags(&survey) & ONVM_FLAG_SEGMENT)
                ? homecoming_runs(worker, inlet, count)
                : receive_all(worker, inlet->nf, descriptors, count, &survey);
    onvm_consumer_release(&inlet->consumer, count);
    ONVM_COUNT(worker->counters->nf[inlet->nf].returned, count);
    return count;
}

void
egress_drain(struct worker *worker, struct inlet *inlet)
{
    uint32_t limit = inlet->consumer.slots;

    for (uint32_t drained = 0, count = 1; count > 0 && drained < limit; drained += count)
        count = egress_inlet(worker, inlet);
    egress_flush(worker);
}

/*
 * Takes home faster than ingress gives out, so that what piled up while the worker was
 * away does not stay a standing queue, which no cache would hold.
 */
static unsigned
egress_bursts(struct worker *worker, struct inlet *inlet)
{
    unsigned moved = 0, count = ONVM_BURST;

    for (unsigned i = 0; i < EGRESS_BURSTS && count == ONVM_BURST; i++)
        moved += count = egress_inlet(worker, inlet);
    return moved;
}

unsigned
egress_turn(struct worker *worker)
{
    unsigned moved = 0;

    for (unsigned i = 0; i < worker->inlets; i++)
        moved += egress_bursts(worker, &worker->inlet[i]);
    return moved;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* From the home edges of NFs to ports, or to an end. */
#include <rte_prefetch.h>

#include "worker.h"

#define L2_HEADER 18 /* Ethernet and one VLAN tag, beside the MTU */
#define SHORTEST_FRAME 14

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

void
egress_frame(struct worker *worker, uint8_t id, uint16_t chain, struct rte_mbuf *frame)
{
    struct port_queue *queue = worker->queue[id];
    struct batch *batch = &worker->batch[id];
    struct onvm_flow_count *out = &worker->counters->chain[chain].out;

    if (queue == NULL) {
        worker_drop(worker, chain, frame, ONVM_DROP_port_unknown);
        return;
    }
    if (frame->data_len > queue->port->mtu + L2_HEADER) {
        worker_drop(worker, chain, frame, ONVM_DROP_oversize);
        return;
    }
    ONVM_COUNT(out->packets, 1);
    ONVM_COUNT(out->bytes, frame->data_len);
    batch->frames[batch->count++] = frame;
    if (batch->count == ONVM_BURST) {
        queue->port->ops->transmit(queue, batch->frames, batch->count);
        batch->count = 0;
    }
}

static bool
within_buffer(const struct worker *worker, const struct onvm_descriptor *descriptor)
{
    return descriptor->length >= SHORTEST_FRAME &&
           onvm_frame_within(descriptor, worker->region->layout.stride);
}

/* Makes the mbuf say what the descriptor says; a device's notes of its reception are void. */
static void
describe_frame(struct rte_mbuf *frame, const struct onvm_descriptor *descriptor)
{
    frame->data_off = descriptor->offset;
    frame->data_len = descriptor->length;
    frame->pkt_len = descriptor->length;
    frame->ol_flags = RTE_MBUF_F_EXTERNAL;
}

/* Learns the way back of a frame, and lets the other workers know of it. */
static void
learn_return(struct worker *worker, const struct path *path, const struct rte_mbuf *frame,
             const struct onvm_descriptor *descriptor)
{
    struct classifier_news item;

    if (classifier_learn_return(worker->classifier, path->egress, frame, path->return_lineage,
                                descriptor->flow, (uint8_t)onvm_era(descriptor->flags),
                                worker->now / 1000, &item))
        news_tell(&worker->news, &item);
}

static void
leave_chain(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
            const struct onvm_descriptor *descriptor)
{
    const struct path *path = &worker->path[chain];

    if (path->return_lineage != 0)
        learn_return(worker, path, frame, descriptor);
    egress_frame(worker, path->egress, chain, frame);
}

static void
count_fault(struct worker *worker, uint16_t nf)
{
    ONVM_COUNT(worker->counters->nf[nf].faults, 1);
}

static void
refuse_verdict(struct worker *worker, uint16_t nf, uint16_t chain, struct rte_mbuf *frame,
               enum onvm_drop_reason reason)
{
    count_fault(worker, nf);
    worker_drop(worker, chain, frame, reason);
}

/* Carries out the verdict on a buffer that is ours again. */
static void
obey(struct worker *worker, uint16_t nf, uint16_t chain, const struct onvm_descriptor *descriptor)
{
    struct rte_mbuf *frame = worker->region->mbuf[onvm_buffer_index(descriptor->buffer)];
    unsigned verdict = descriptor->flags & ONVM_FLAG_VERDICT;

    if (descriptor->flags & ONVM_FLAG_SEGMENT) {
        refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_verdict);
    } else if (verdict == ONVM_VERDICT_DROP) {
        if (descriptor->hop < ONVM_DROP_REASON_COUNT)
            worker_drop(worker, chain, frame, descriptor->hop);
        else
            refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_verdict);
    } else if (!within_buffer(worker, descriptor)) {
        refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_bounds);
    } else if (verdict == ONVM_VERDICT_NEXT) {
        describe_frame(frame, descriptor);
        leave_chain(worker, chain, frame, descriptor);
    } else if (verdict == ONVM_VERDICT_OUT && descriptor->hop < ONVM_MAX_PORTS) {
        describe_frame(frame, descriptor);
        egress_frame(worker, descriptor->hop, chain, frame);
    } else {
        refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_verdict);
    }
}

static void
receive_descriptor(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor)
{
    enum onvm_drop_reason reason;
    const struct ledger_entry *entry = ledger_take_back(&worker->ledger, descriptor->buffer,
                                                        &reason);

    if (entry == NULL) {
        count_fault(worker, nf);
        ONVM_COUNT(worker->counters->dropped[reason], 1);
        return;
    }
    worker->path[entry->chain].in_flight--;
    obey(worker, nf, entry->chain, descriptor);
}

static void
prefetch(const struct worker *worker, const struct onvm_descriptor *descriptor)
{
    uint32_t index = onvm_buffer_index(descriptor->buffer);

    if (index - worker->ledger.first >= worker->ledger.count)
        return;
    rte_prefetch0(&worker->ledger.entry[index - worker->ledger.first]);
    rte_prefetch0(worker->region->mbuf[index]);
}

static unsigned
egress_inlet(struct worker *worker, struct inlet *inlet)
{
    struct onvm_descriptor descriptors[ONVM_BURST];
    uint32_t count = onvm_consumer_ready(&inlet->consumer, ONVM_BURST);
    uint8_t flags = 0;

    if (count == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        descriptors[i] = onvm_consumer_peek(&inlet->consumer, i);
        prefetch(worker, &descriptors[i]);
        flags |= descriptors[i].flags;
    }
    if (flags & ONVM_FLAG_SAMPLED)
        latency_record(&worker->latency, worker->region, &worker->ledger, descriptors, count);
    for (uint32_t i = 0; i < count; i++)
        receive_descriptor(worker, inlet->nf, &descriptors[i]);
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

unsigned
egress_turn(struct worker *worker)
{
    unsigned moved = 0;

    for (unsigned i = 0; i < worker->inlets; i++)
        moved += egress_inlet(worker, &worker->inlet[i]);
    return moved;
}

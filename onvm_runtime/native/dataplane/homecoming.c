/* SPDX-License-Identifier: BSD-3-Clause */
#include "homecoming.h"

#include <rte_branch_prediction.h>

#include "chain_probe.h"

static inline bool
within_buffer(const struct worker *worker, const struct onvm_descriptor *descriptor)
{
    return descriptor->length >= SHORTEST_FRAME &&
           onvm_frame_within(descriptor, worker->region->layout.stride);
}

static void
count_fault(struct worker *worker, uint16_t nf)
{
    ONVM_COUNT(worker->counters->nf[nf].faults, 1);
}

/* What the ledger knew of a buffer that is ours again. */
struct stay {
    uint16_t chain;
    uint8_t ttl;
};

static void
refuse_verdict(struct worker *worker, uint16_t nf, uint16_t chain, struct rte_mbuf *frame,
               enum onvm_drop_reason reason)
{
    count_fault(worker, nf);
    worker_drop(worker, chain, frame, reason);
}

/* Carries out the verdict on a packet that is ours again, of `length` bytes in all. */
static void
obey(struct worker *worker, uint16_t nf, struct stay stay, struct rte_mbuf *frame,
     const struct onvm_descriptor *descriptor, uint32_t length)
{
    unsigned verdict = descriptor->flags & ONVM_FLAG_VERDICT;
    uint16_t chain = stay.chain;

    if (verdict == ONVM_VERDICT_DROP) {
        if (descriptor->hop < ONVM_DROP_REASON_COUNT)
            worker_drop(worker, chain, frame, descriptor->hop);
        else
            refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_verdict);
    } else if (!within_buffer(worker, descriptor)) {
        refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_bounds);
    } else if (verdict == ONVM_VERDICT_NEXT) {
        describe_frame(frame, descriptor->offset, descriptor->length, length);
        egress_leave(worker, chain, frame,
                     (struct leaving){descriptor->flow, descriptor->flags, stay.ttl});
    } else if (verdict == ONVM_VERDICT_OUT && descriptor->hop < ONVM_MAX_PORTS) {
        describe_frame(frame, descriptor->offset, descriptor->length, length);
        egress_frame(worker, descriptor->hop, chain, frame);
    } else {
        refuse_verdict(worker, nf, chain, frame, ONVM_DROP_bad_verdict);
    }
}

/* The mbuf of a buffer that is ours again; NULL: counted as a fault. */
static inline struct rte_mbuf *
take_back(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor,
          struct stay *stay)
{
    enum onvm_drop_reason reason;
    const struct ledger_entry *entry = ledger_take_back(&worker->ledger, descriptor->buffer,
                                                        &reason);

    if (entry == NULL) {
        count_fault(worker, nf);
        ONVM_COUNT(worker->counters->dropped[reason], 1);
        return NULL;
    }
    *stay = (struct stay){entry->chain, entry->ttl};
    worker->path[entry->chain].in_flight--;
    return worker->region->mbuf[onvm_buffer_index(descriptor->buffer)];
}

void
homecoming_one(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor)
{
    struct stay stay;
    struct rte_mbuf *frame = take_back(worker, nf, descriptor, &stay);

    if (frame != NULL)
        obey(worker, nf, stay, frame, descriptor, descriptor->length);
}

/*
 * The port by which a descriptor's packet leaves the lab, or what can carry a probe;
 * ONVM_MAX_PORTS: it does not.
 */
static uint8_t
last_port(const struct worker *worker, uint16_t chain, const struct onvm_descriptor *descriptor)
{
    unsigned verdict = descriptor->flags & ONVM_FLAG_VERDICT;

    if (!within_buffer(worker, descriptor))
        return ONVM_MAX_PORTS;
    if (verdict == ONVM_VERDICT_OUT)
        return RTE_MIN(descriptor->hop, ONVM_MAX_PORTS);
    return verdict != ONVM_VERDICT_NEXT || chain_probe_goes_on(worker, chain)
               ? ONVM_MAX_PORTS
               : worker->path[chain].egress;
}

/* A probe goes to the end of its way and no further. */
static void
obey_probe(struct worker *worker, uint16_t nf, struct stay stay, struct rte_mbuf *frame,
           const struct onvm_descriptor *descriptor)
{
    uint8_t port = last_port(worker, stay.chain, descriptor);

    trace_end(&worker->latency.trace, descriptor->buffer, stay.chain,
              descriptor->flags & ONVM_FLAG_VERDICT, descriptor->hop);
    if (port == ONVM_MAX_PORTS) {
        obey(worker, nf, stay, frame, descriptor, descriptor->length);
        return;
    }
    describe_frame(frame, descriptor->offset, descriptor->length, descriptor->length);
    chain_probe_end(worker, stay.chain, port, frame);
}

void
homecoming_probe(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor)
{
    struct stay stay;
    struct rte_mbuf *frame = take_back(worker, nf, descriptor, &stay);

    if (frame != NULL)
        obey_probe(worker, nf, stay, frame, descriptor);
}

/* The buffers of a run that are ours again, as far as they are. */
struct returned_run {
    struct rte_mbuf *first, *last; /* chained, without those that are empty */
    uint32_t taken;
    uint32_t length;
    struct stay stay; /* of its first */
    bool one_chain;
    bool in_bounds;
};

static void
append_segment(struct returned_run *run, struct rte_mbuf *segment)
{
    if (run->first == NULL) {
        run->first = segment;
    } else {
        run->last->next = segment;
        run->first->nb_segs++;
    }
    run->last = segment;
}

static void
return_segment(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptor,
               struct returned_run *run)
{
    struct stay stay;
    struct rte_mbuf *segment = take_back(worker, nf, descriptor, &stay);

    if (segment == NULL)
        return;
    if (run->taken++ == 0)
        run->stay = stay;
    run->one_chain &= stay.chain == run->stay.chain;
    run->in_bounds &= onvm_segment_within(descriptor, worker->region->layout.stride);
    run->length += descriptor->length;
    describe_frame(segment, descriptor->offset, descriptor->length, descriptor->length);
    if (descriptor->length == 0 && run->first != NULL)
        rte_pktmbuf_free_seg(segment); /* emptied by an NF; devices do not send such */
    else
        append_segment(run, segment);
}

/* Takes back a packet of several segments; of what is no packet, all that is ours ends. */
static void
receive_run(struct worker *worker, uint16_t nf, const struct onvm_descriptor *descriptors,
            uint32_t count, bool whole)
{
    struct returned_run run = {.one_chain = true, .in_bounds = true};

    for (uint32_t k = 0; k < count; k++)
        return_segment(worker, nf, &descriptors[k], &run);
    if (run.taken == 0)
        return;
    if (!whole || run.taken < count || !run.one_chain || !onvm_run_agrees(descriptors, count))
        refuse_verdict(worker, nf, run.stay.chain, run.first, ONVM_DROP_bad_run);
    else if (!run.in_bounds)
        refuse_verdict(worker, nf, run.stay.chain, run.first, ONVM_DROP_bad_bounds);
    else
        obey(worker, nf, run.stay, run.first, &descriptors[0], run.length);
}

uint32_t
homecoming_runs(struct worker *worker, struct inlet *inlet, uint32_t count)
{
    struct onvm_descriptor run[ONVM_MAX_SEGMENTS];
    uint32_t done = 0, next;
    bool whole, probe;

    while (done < count) {
        next = onvm_consumer_peek_run(&inlet->consumer, done, run, &whole);
        if (next == 0 || done + next > count)
            break;
        probe = run[0].flags & ONVM_FLAG_SAMPLED &&
                latency_record(&worker->latency, worker->region, &worker->ledger, run, 1) != 0;
        if (whole && next == 1 && probe)
            homecoming_probe(worker, inlet->nf, &run[0]);
        else if (whole && next == 1)
            homecoming_one(worker, inlet->nf, &run[0]);
        else
            receive_run(worker, inlet->nf, run, next, whole);
        done += next;
    }
    return done;
}

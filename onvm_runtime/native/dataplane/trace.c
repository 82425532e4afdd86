/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <rte_cycles.h>
#include <rte_random.h>
#include <stdlib.h>
#include <string.h>

bool
trace_open(struct trace *trace, struct onvm_worker_latency *latency, const struct region *region,
           uint32_t first, uint32_t count, struct failure *failure)
{
    trace->id = calloc(count, sizeof(trace->id[0]));
    if (trace->id == NULL)
        return fail(failure, "no memory for the ids of %u packets", count);
    trace->ring = &latency->trace;
    trace->probes = &latency->probes;
    trace->region = region;
    trace->first = first;
    trace->count = count;
    return true;
}

void
trace_close(struct trace *trace)
{
    free(trace->id);
    trace->id = NULL;
}

static uint32_t *
id_of(const struct trace *trace, uint32_t buffer)
{
    return &trace->id[onvm_buffer_index(buffer) - trace->first];
}

static struct onvm_trace *
ring_of(const struct trace *trace, uint32_t id)
{
    return id & ONVM_TRACE_PROBE ? trace->probes : trace->ring;
}

static void
stamp(struct rte_mbuf *frame, uint64_t ingress)
{
    struct onvm_stamps *stamps = frame->buf_addr;

    *stamps = (struct onvm_stamps){.ingress = ingress, .posted = ingress};
}

uint64_t
trace_choose(struct trace *trace, struct rte_mbuf *const *frames,
             const struct classification *results, uint32_t count)
{
    uint64_t chosen = 0;

    for (uint32_t i = 0; i < count && trace->wanted > 0; i++) {
        if (!trace->wants[results[i].chain])
            continue;
        stamp(frames[i], rte_rdtsc());
        chosen |= 1ull << i;
        trace->wanted--;
    }
    return chosen;
}

static void
write_entered(struct trace *trace, uint8_t port, const struct rte_mbuf *frame,
              const struct classification *result, struct trace_mark mark, uint64_t at)
{
    uint32_t index = region_index(trace->region, frame);
    struct onvm_trace_record record = {
        .at = at,
        .buffer = index,
        .id = mark.id,
        .flow = result->flow,
        .chain = result->chain,
        .length = (uint16_t)frame->pkt_len,
        .kind = ONVM_TRACE_ENTERED,
        .port = port,
        .span = mark.span,
        .headed = (uint8_t)RTE_MIN(frame->data_len, ONVM_TRACE_HEAD),
        .head = {0},
    };

    memcpy(record.head, rte_pktmbuf_mtod(frame, const void *), record.headed);
    *id_of(trace, index) = mark.id;
    onvm_trace_write(ring_of(trace, mark.id), &record);
}

void
trace_enter(struct trace *trace, uint8_t port, struct rte_mbuf *const *frames,
            const struct classification *results, uint64_t sampled)
{
    for (; sampled != 0; sampled &= sampled - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(sampled);
        const struct onvm_stamps *stamps = frames[i]->buf_addr;
        struct trace_mark mark = {.id = ((uint32_t)rte_rand() & ~ONVM_TRACE_PROBE) | 1};
        write_entered(trace, port, frames[i], &results[i], mark, stamps->ingress);
    }
}

void
trace_arrive(struct trace *trace, uint8_t port, struct rte_mbuf *frame,
             const struct classification *result, struct trace_mark mark)
{
    uint64_t now = rte_rdtsc();

    stamp(frame, mark.id & ONVM_TRACE_PROBE ? 0 : now);
    write_entered(trace, port, frame, result, mark, now);
}

void
trace_end(struct trace *trace, uint32_t buffer, uint16_t chain, uint8_t verdict,
          uint16_t argument)
{
    onvm_trace_write(ring_of(trace, *id_of(trace, buffer)),
                     &(struct onvm_trace_record){
                         .at = rte_rdtsc(),
                         .buffer = buffer,
                         .chain = chain,
                         .argument = argument,
                         .kind = ONVM_TRACE_ENDED,
                         .verdict = verdict,
                     });
}

uint32_t
trace_id(const struct trace *trace, const struct rte_mbuf *frame)
{
    return *id_of(trace, region_index(trace->region, frame));
}

bool
trace_is_probe(const struct trace *trace, uint32_t buffer)
{
    return (*id_of(trace, buffer) & ONVM_TRACE_PROBE) != 0;
}

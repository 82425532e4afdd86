/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace.h"

#include <rte_cycles.h>
#include <rte_random.h>
#include <stdlib.h>
#include <string.h>

#include "../protocol/histogram.h"

bool
trace_open(struct trace *trace, struct onvm_trace *ring, const struct region *region,
           uint32_t first, uint32_t count, struct failure *failure)
{
    trace->id = calloc(count, sizeof(trace->id[0]));
    if (trace->id == NULL)
        return fail(failure, "no memory for the ids of %u packets", count);
    trace->ring = ring;
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

static void
stamp(struct rte_mbuf *frame)
{
    struct onvm_stamps *stamps = frame->buf_addr;
    uint64_t now = rte_rdtsc();

    *stamps = (struct onvm_stamps){.ingress = now, .posted = now};
}

uint32_t
trace_choose(struct trace *trace, struct rte_mbuf *const *frames,
             const struct classification *results, uint32_t count)
{
    uint32_t chosen = 0;

    for (uint32_t i = 0; i < count && trace->wanted > 0; i++) {
        if (!trace->wants[results[i].chain])
            continue;
        stamp(frames[i]);
        chosen |= 1u << i;
        trace->wanted--;
    }
    return chosen;
}

static void
write_entered(struct trace *trace, uint8_t port, const struct rte_mbuf *frame,
              const struct classification *result, struct trace_mark mark)
{
    const struct onvm_stamps *stamps = frame->buf_addr;
    uint32_t index = region_index(trace->region, frame);
    struct onvm_trace_record record = {
        .at = stamps->ingress,
        .buffer = index,
        .id = mark.id,
        .flow = result->flow,
        .chain = result->chain,
        .length = (uint16_t)frame->pkt_len,
        .kind = ONVM_TRACE_ENTERED,
        .port = port,
        .span = mark.span,
        .headed = (uint8_t)RTE_MIN(frame->data_len, ONVM_TRACE_HEAD),
    };

    memcpy(record.head, rte_pktmbuf_mtod(frame, const void *), record.headed);
    trace->id[index - trace->first] = mark.id;
    onvm_trace_write(trace->ring, &record);
}

void
trace_enter(struct trace *trace, uint8_t port, struct rte_mbuf *const *frames,
            const struct classification *results, uint32_t sampled)
{
    for (; sampled != 0; sampled &= sampled - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(sampled);
        struct trace_mark mark = {.id = (uint32_t)rte_rand() | 1};
        write_entered(trace, port, frames[i], &results[i], mark);
    }
}

void
trace_arrive(struct trace *trace, uint8_t port, struct rte_mbuf *frame,
             const struct classification *result, struct trace_mark mark)
{
    stamp(frame);
    write_entered(trace, port, frame, result, mark);
}

void
trace_end(struct trace *trace, uint32_t buffer, uint16_t chain, uint8_t verdict,
          uint16_t argument)
{
    onvm_trace_write(trace->ring, &(struct onvm_trace_record){
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
    return trace->id[region_index(trace->region, frame) - trace->first];
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "latency.h"

#include "clock.h"

static bool
is_sampled(const struct onvm_descriptor *descriptor)
{
    return (descriptor->flags & ONVM_FLAG_SAMPLED) != 0 && descriptor->hop < ONVM_MAX_HOPS;
}

static struct onvm_stamps *
stamps_of(const struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    return onvm_stamps(attachment->buffers, attachment->welcome.stride, descriptor->buffer);
}

/* A probe measures nothing. */
static bool
is_measured(const struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    return is_sampled(descriptor) && stamps_of(attachment, descriptor)->ingress != 0;
}

static struct onvm_hop_latency *
hop_of(const struct attachment *attachment, const struct onvm_descriptor *descriptor)
{
    return &attachment_latency(attachment)
                ->hop[onvm_path_chain(descriptor->path)][descriptor->hop];
}

uint64_t
latency_take(const struct attachment *attachment, const struct onvm_burst *burst)
{
    uint64_t now = clock_cycles();

    for (uint32_t i = 0; i < burst->count; i++) {
        const struct onvm_descriptor *descriptor = &burst->descriptor[i];
        if (is_measured(attachment, descriptor))
            onvm_histogram_record(&hop_of(attachment, descriptor)->wait,
                                  stamps_of(attachment, descriptor)->posted, now);
    }
    return now;
}

static void
trace(const struct attachment *attachment, const struct onvm_burst *burst, uint32_t i,
      uint64_t taken, uint64_t now)
{
    const struct onvm_descriptor *descriptor = &burst->descriptor[i];
    struct onvm_nf_latency *latency = attachment_latency(attachment);

    onvm_trace_write(is_measured(attachment, descriptor) ? &latency->trace : &latency->probes,
                     &(struct onvm_trace_record){
                         .at = taken,
                         .took = now - taken,
                         .buffer = descriptor->buffer,
                         .flow = descriptor->flow,
                         .chain = (uint16_t)onvm_path_chain(descriptor->path),
                         .argument = burst->argument[i],
                         .kind = ONVM_TRACE_HANDLED,
                         .hop = descriptor->hop,
                         .verdict = burst->verdict[i],
                     });
}

void
latency_post(const struct attachment *attachment, const struct onvm_burst *burst, uint64_t taken)
{
    uint64_t now = clock_cycles();

    for (uint32_t i = 0; i < burst->count; i++) {
        const struct onvm_descriptor *descriptor = &burst->descriptor[i];
        if (!is_sampled(descriptor))
            continue;
        if (is_measured(attachment, descriptor))
            onvm_histogram_record(&hop_of(attachment, descriptor)->handling, taken, now);
        trace(attachment, burst, i, taken, now);
        stamps_of(attachment, descriptor)->posted = now;
    }
}

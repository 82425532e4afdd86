/* SPDX-License-Identifier: BSD-3-Clause */
#include "latency.h"

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_random.h>

bool
latency_clock_is_invariant(void)
{
#ifdef RTE_ARCH_X86
    return rte_cpu_get_flag_enabled(RTE_CPUFLAG_INVTSC) > 0;
#else
    return true; /* a generic timer (Arm ARM, D11.1) counts at one frequency */
#endif
}

/* A distance from 1 to 2 * every - 1. */
static uint32_t
distance(const struct latency *latency)
{
    return 1 + (uint32_t)rte_rand_max(2ull * latency->every - 1);
}

void
latency_set(struct latency *latency, uint32_t every)
{
    latency->every = every;
    latency->next = every != 0 ? distance(latency) - 1 : 0;
}

uint64_t
latency_choose(struct latency *latency, struct rte_mbuf *const *frames, uint32_t count)
{
    uint64_t chosen = 0;
    uint64_t now;

    if (latency->next >= count) {
        latency->next -= count;
        return 0;
    }
    now = rte_rdtsc();
    for (; latency->next < count; latency->next += distance(latency)) {
        struct onvm_stamps *stamps = frames[latency->next]->buf_addr;
        *stamps = (struct onvm_stamps){.ingress = now, .posted = now};
        chosen |= 1ull << latency->next;
    }
    latency->next -= count;
    return chosen;
}

/* The chain of a buffer that the ledger says is out; 0: it is not, whatever is claimed. */
static uint16_t
chain_of(const struct ledger *ledger, uint32_t buffer)
{
    uint32_t place = onvm_buffer_index(buffer) - ledger->first;
    const struct ledger_entry *entry;

    if (place >= ledger->count)
        return 0;
    entry = &ledger->entry[place];
    return entry->out && entry->generation == onvm_buffer_generation(buffer) ? entry->chain : 0;
}

static void
record(struct latency *latency, const struct region *region, uint16_t chain,
       const struct onvm_descriptor *descriptor, uint64_t now)
{
    struct onvm_chain_latency *seen = &latency->histograms->chain[chain];
    struct onvm_stamps stamps = *onvm_stamps(region->base, region->layout.stride,
                                             descriptor->buffer);
    uint8_t verdict = descriptor->flags & ONVM_FLAG_VERDICT;

    trace_end(&latency->trace, descriptor->buffer, chain, verdict, descriptor->hop);
    if (verdict == ONVM_VERDICT_DROP)
        return;
    onvm_histogram_record(&seen->wait, stamps.posted, now);
    onvm_histogram_record(&seen->total, stamps.ingress, now);
}

uint64_t
latency_record(struct latency *latency, const struct region *region, const struct ledger *ledger,
               const struct onvm_descriptor *descriptors, uint32_t count)
{
    uint64_t now = rte_rdtsc();
    uint64_t probes = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint16_t chain;

        if ((descriptors[i].flags & ONVM_FLAG_SAMPLED) == 0)
            continue;
        chain = chain_of(ledger, descriptors[i].buffer);
        if (chain != 0 && trace_is_probe(&latency->trace, descriptors[i].buffer))
            probes |= 1ull << i;
        else if (chain != 0)
            record(latency, region, chain, &descriptors[i], now);
    }
    return probes;
}

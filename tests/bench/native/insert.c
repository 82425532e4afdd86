/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a new flow costs: a miss of the flow table, the search of masked rules of which
 * none matches, and the entry that is made.  Beside it the insertion of a ready 5-tuple
 * into DPDK's rte_hash.
 *
 *   bench_insert RULES FLOWS SAMPLES [EAL-OPTION...]
 *
 * RULES 0: the default chain takes all.  Rules have 16 masks: nine lengths of prefixes, and some ask
 * for a port as well.  A line for each sample: CPU ns/flow of ours, and of rte_hash.
 */
#include <rte_eal.h>

#include "flows.h"
#include "sampling.h"

struct bench {
    uint32_t rules, flows, next;
    uint8_t memory[ONVM_BURST * ROOM];
    struct rte_mbuf mbuf[ONVM_BURST];
    struct rte_mbuf *frame[ONVM_BURST];
    struct classifier *classifier;
    struct rte_hash *hash;
};

static struct onvm_worker_counters node;

static void
make_frames(struct bench *bench)
{
    uint32_t length;
    uint8_t *frame = frame_read(MACS IPV4("0028", "0000", "06") TCP, &length);

    for (unsigned i = 0; i < ONVM_BURST; i++) {
        memcpy(bench->memory + i * ROOM, frame, length);
        bench->frame[i] = &bench->mbuf[i];
        bench->mbuf[i] = mbuf_at(bench->memory + i * ROOM, ROOM);
    }
    free(frame);
}

/* A rule for some part of 198.19.0.0/16, to which no frame goes. */
static json_t *
make_rule(uint32_t number)
{
    unsigned length = 24 + number % 9;
    uint32_t address = (number * 2654435761u >> 16) & 0xffff & ~0u << (32 - length);
    char prefix[32];
    json_t *rule;

    snprintf(prefix, sizeof(prefix), "198.19.%u.%u/%u", address >> 8 & 255, address & 255, length);
    rule = json_pack("{s:i, s:s, s:i}", "chain", 2, "dst", prefix, "protocol", 6);
    if (number % 16 >= 9)
        json_object_set_new(rule, "src_ports", json_pack("[i, i]", 1000, 1000));
    return rule;
}

static json_t *
make_plan(uint32_t rules)
{
    json_t *plan = json_pack("{s: [], s: i}", "rules", "default_chain", 1);

    for (uint32_t i = 0; i < rules; i++)
        json_array_append_new(json_object_get(plan, "rules"), make_rule(i));
    return plan;
}

static uint32_t
source_of(uint32_t flow)
{
    return flow * 2654435761u;
}

static void
classify_burst(struct bench *bench)
{
    struct classification results[ONVM_BURST];

    for (unsigned i = 0; i < ONVM_BURST; i++) {
        uint32_t source = source_of(bench->next++);

        memcpy(bench->memory + i * ROOM + ADDRESSES, &source, sizeof(source));
    }
    classifier_classify(bench->classifier, 0, bench->frame, ONVM_BURST, 1, results);
    REQUIRE(results[0].chain == 1, "a rule matched");
}

/* All flows are new to the table, which has been emptied. */
static double
time_ours(struct bench *bench)
{
    double start;

    classifier_clear(bench->classifier);
    node.flow_misses = 0;
    start = cpu_nanoseconds();
    for (uint32_t done = 0; done < bench->flows; done += ONVM_BURST)
        classify_burst(bench);
    start = cpu_nanoseconds() - start;
    REQUIRE(node.flow_misses >= bench->flows, "%lu flows were new", node.flow_misses);
    return start / bench->flows;
}

static double
time_other(struct bench *bench)
{
    double start;

    rte_hash_reset(bench->hash);
    start = cpu_nanoseconds();
    for (uint32_t flow = 0; flow < bench->flows; flow++)
        add_key(bench->hash, key_of(source_of(flow)));
    return (cpu_nanoseconds() - start) / bench->flows;
}

int
main(int argc, char **argv)
{
    const char *usage = "RULES FLOWS SAMPLES [EAL-OPTION...]";
    static struct bench bench;
    uint32_t samples = number(argc, argv, 3, usage);

    bench.rules = number(argc, argv, 1, usage);
    bench.flows = number(argc, argv, 2, usage);
    argv[3] = argv[0];
    REQUIRE(rte_eal_init(argc - 3, argv + 3) >= 0, "DPDK does not start");
    make_frames(&bench);
    bench.classifier = open_classifier(bench.flows, &node, make_plan(bench.rules));
    bench.hash = open_hash(2 * bench.flows);
    time_ours(&bench); /* takes memory */
    for (uint32_t i = 0; i < samples; i++) {
        double ours = time_ours(&bench), other = time_other(&bench);

        printf("%f %f\n", ours, other);
    }
    return 0;
}

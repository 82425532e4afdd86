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
#include <jansson.h>
#include <rte_eal.h>
#include <rte_hash.h>

#include "../../native/dataplane/frames.h"
#include "dataplane/classifier.h"
#include "sampling.h"

#define ROOM 64
#define ADDRESSES 26 /* where they begin in a frame */

struct key {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint8_t protocol, padding[3];
};

struct bench {
    uint32_t rules, flows, next;
    uint8_t memory[ONVM_BURST * ROOM];
    struct rte_mbuf mbuf[ONVM_BURST];
    struct rte_mbuf *frame[ONVM_BURST];
    struct classifier *classifier;
    struct rte_hash *hash;
};

static struct onvm_worker_counters node;

static uint8_t
port_id(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return ONVM_MAX_PORTS;
}

static void
make_frames(struct bench *bench)
{
    uint32_t length;
    uint8_t *frame = frame_read(MACS IPV4("0028", "0000", "06") TCP, &length);

    for (unsigned i = 0; i < ONVM_BURST; i++) {
        memcpy(bench->memory + i * ROOM, frame, length);
        bench->frame[i] = &bench->mbuf[i];
        bench->mbuf[i] = (struct rte_mbuf){.buf_addr = bench->memory + i * ROOM,
                                           .data_len = ROOM,
                                           .pkt_len = ROOM};
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

static struct ruleset *
make_rules(uint32_t count)
{
    json_t *plan = json_pack("{s: [], s: i}", "rules", "default_chain", 1);
    struct failure failure;
    struct ruleset *ruleset;

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(json_object_get(plan, "rules"), make_rule(i));
    ruleset = ruleset_parse(plan, port_id, NULL, &failure);
    REQUIRE(ruleset != NULL, "%s", failure.text);
    json_decref(plan);
    return ruleset;
}

static void
open_tables(struct bench *bench)
{
    const struct rte_hash_parameters parameters = {
        .name = "bench", .entries = 2 * bench->flows, .key_len = sizeof(struct key)};
    struct failure failure;

    bench->classifier = classifier_new(bench->flows, &node, &failure);
    REQUIRE(bench->classifier != NULL, "%s", failure.text);
    classifier_set_needs(bench->classifier, (enum flow_need[ONVM_MAX_CHAINS]){[1] = FLOW_STATE});
    ruleset_free(classifier_exchange(bench->classifier, make_rules(bench->rules)));
    bench->hash = rte_hash_create(&parameters);
    REQUIRE(bench->hash != NULL, "no memory for rte_hash");
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
    for (uint32_t flow = 0; flow < bench->flows; flow++) {
        struct key key = {.source = source_of(flow), .destination = 0xc6120002,
                          .source_port = 1000, .destination_port = 80, .protocol = 6};

        REQUIRE(rte_hash_add_key(bench->hash, &key) >= 0, "rte_hash is full at %u", flow);
    }
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
    open_tables(&bench);
    time_ours(&bench); /* takes memory */
    for (uint32_t i = 0; i < samples; i++) {
        double ours = time_ours(&bench), other = time_other(&bench);

        printf("%f %f\n", ours, other);
    }
    return 0;
}

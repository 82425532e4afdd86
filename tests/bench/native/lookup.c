/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What classification costs a packet, by the number of flows that take turns:
 * parsing, hashing, the flow table and its upkeep.  Beside it the lookup of a
 * ready 5-tuple in DPDK's rte_hash, a burst at a time and with nothing around it.
 *
 *   bench_lookup FLOWS PACKETS SAMPLES [EAL-OPTION...]
 *
 * A line for each sample: CPU ns/packet of all that, and of rte_hash.
 */
#include <jansson.h>
#include <rte_eal.h>
#include <rte_hash.h>

#include "../../native/dataplane/frames.h"
#include "dataplane/classifier.h"
#include "sampling.h"

#define TABLE (1u << 21)
#define ROOM 64 /* bytes from one frame to the next */
#define FRAMES 4096 /* frames in memory; each stands for several flows in turn */
#define ADDRESSES 26 /* where they begin in a frame */

/* The 5-tuple, as openNetVM has it, padded to 16 bytes. */
struct key {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint8_t protocol, padding[3];
};

struct bench {
    uint32_t flows, packets;
    uint8_t *memory;
    struct rte_mbuf *mbuf;
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

static uint32_t
flow_of(const struct bench *bench, uint32_t packet)
{
    return (uint32_t)((uint64_t)(packet * 2654435761u) * bench->flows >> 32);
}

static void
fill(struct bench *bench)
{
    uint32_t length;
    uint8_t *frame = frame_read(MACS IPV4("0028", "0000", "06") TCP, &length);

    bench->memory = aligned_alloc(64, FRAMES * ROOM);
    bench->mbuf = aligned_alloc(64, FRAMES * sizeof(*bench->mbuf));
    for (unsigned i = 0; i < FRAMES; i++) {
        memcpy(bench->memory + i * ROOM, frame, length);
        bench->mbuf[i] = (struct rte_mbuf){.buf_addr = bench->memory + i * ROOM,
                                           .data_len = (uint16_t)length,
                                           .pkt_len = length};
    }
    free(frame);
}

static void
open_classifier(struct bench *bench)
{
    json_t *plan = json_pack("{s: [], s: i}", "rules", "default_chain", 1);
    struct failure failure;

    bench->classifier = classifier_new(TABLE, &node, &failure);
    REQUIRE(bench->classifier != NULL, "%s", failure.text);
    classifier_set_needs(bench->classifier, (enum flow_need[ONVM_MAX_CHAINS]){[1] = FLOW_STATE});
    ruleset_free(classifier_exchange(bench->classifier,
                                     ruleset_parse(plan, port_id, NULL, &failure)));
    json_decref(plan);
}

static struct key
key_of(uint32_t flow)
{
    return (struct key){.source = flow, .destination = 0xc6120002, .source_port = 1000,
                        .destination_port = 80, .protocol = 6};
}

static void
open_hash(struct bench *bench)
{
    const struct rte_hash_parameters parameters = {
        .name = "bench", .entries = TABLE, .key_len = sizeof(struct key)};

    bench->hash = rte_hash_create(&parameters);
    REQUIRE(bench->hash != NULL, "no memory for rte_hash");
    for (uint32_t flow = 0; flow < bench->flows; flow++) {
        struct key key = key_of(flow);

        REQUIRE(rte_hash_add_key(bench->hash, &key) >= 0, "rte_hash is full at %u", flow);
    }
}

static void
prepare_frames(const struct bench *bench, uint32_t first, struct rte_mbuf **burst)
{
    for (unsigned i = 0; i < ONVM_BURST; i++) {
        uint32_t flow = flow_of(bench, first + i);

        burst[i] = &bench->mbuf[(first + i) % FRAMES];
        memcpy((uint8_t *)burst[i]->buf_addr + ADDRESSES, &flow, sizeof(flow));
    }
}

static void
prepare_keys(const struct bench *bench, uint32_t first, struct key *key)
{
    for (unsigned i = 0; i < ONVM_BURST; i++)
        key[i] = key_of(flow_of(bench, first + i));
}

enum work { PREPARE, CLASSIFY };

/* CPU ns per packet of preparing a burst, and of the work with it. */
static inline __attribute__((always_inline)) double
run_frames(struct bench *bench, uint32_t packets, enum work work)
{
    struct classification results[ONVM_BURST];
    struct rte_mbuf *burst[ONVM_BURST];
    double start = cpu_nanoseconds();

    for (uint32_t done = 0; done < packets; done += ONVM_BURST) {
        prepare_frames(bench, done, burst);
        if (work == CLASSIFY)
            classifier_classify(bench->classifier, 0, burst, ONVM_BURST, 1, results);
        use(burst);
    }
    return (cpu_nanoseconds() - start) / packets;
}

/* The same of rte_hash. */
static inline __attribute__((always_inline)) double
run_keys(struct bench *bench, uint32_t packets, bool lookup)
{
    const void *pointer[ONVM_BURST];
    struct key key[ONVM_BURST];
    int32_t position[ONVM_BURST];
    double start = cpu_nanoseconds();

    for (unsigned i = 0; i < ONVM_BURST; i++)
        pointer[i] = &key[i];
    for (uint32_t done = 0; done < packets; done += ONVM_BURST) {
        prepare_keys(bench, done, key);
        use(key);
        if (lookup)
            rte_hash_lookup_bulk(bench->hash, pointer, ONVM_BURST, position);
        use(position);
    }
    return (cpu_nanoseconds() - start) / packets;
}

static void
print_sample(struct bench *bench)
{
    double preparing = run_frames(bench, bench->packets, PREPARE);
    double all = run_frames(bench, bench->packets, CLASSIFY) - preparing;
    double other = run_keys(bench, bench->packets, true) -
                   run_keys(bench, bench->packets, false);

    printf("%f %f\n", all, other);
}

int
main(int argc, char **argv)
{
    const char *usage = "FLOWS PACKETS SAMPLES [EAL-OPTION...]";
    struct bench bench = {.flows = number(argc, argv, 1, usage),
                          .packets = number(argc, argv, 2, usage)};
    uint32_t samples = number(argc, argv, 3, usage);

    argv[3] = argv[0];
    REQUIRE(rte_eal_init(argc - 3, argv + 3) >= 0, "DPDK does not start");
    fill(&bench);
    open_classifier(&bench);
    open_hash(&bench);
    run_frames(&bench, 2 * bench.flows + ONVM_BURST, CLASSIFY);
    for (uint32_t i = 0; i < samples; i++)
        print_sample(&bench);
    REQUIRE(node.flows <= bench.flows, "%lu entries for %u flows", node.flows, bench.flows);
    return 0;
}

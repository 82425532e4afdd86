/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What classification costs a packet, by the number of flows that take turns.
 * Beside it the lookup of a ready 5-tuple in DPDK's rte_hash, a burst at a time and
 * with nothing around it.
 *
 *   bench_lookup FLOWS ROOM PACKETS SAMPLES [EAL-OPTION...]
 *
 * ROOM: of the table, in flows.
 *
 * A line for each sample, in CPU ns/packet: reading the frame's headers at all, parsing
 * beyond that, the hash beyond that, the rest of classification (the flow table and its
 * upkeep), and rte_hash.
 *
 * Frames are made a batch at a time, which is not timed.  A batch does not fit the first
 * cache, as frames that a NIC has put into the last cache do not either; so what loads of
 * frames and mbufs cost is the first column.
 */
#include <rte_eal.h>
#include <rte_prefetch.h>

#include "dataplane/flow_table.h"
#include "flows.h"
#include "sampling.h"

#define BATCH 1024 /* frames */

struct bench {
    uint32_t flows, room, packets;
    uint8_t *memory, *template;
    struct rte_mbuf *mbuf;
    struct rte_mbuf *frame[BATCH];
    struct key key[BATCH];
    struct flow_table *seed;
    struct classifier *classifier;
    struct rte_hash *hash;
};

static struct onvm_worker_counters node;

static uint32_t
flow_of(const struct bench *bench, uint32_t packet)
{
    return (uint32_t)((uint64_t)(packet * 2654435761u) * bench->flows >> 32);
}

static void
make_frames(struct bench *bench)
{
    uint32_t length;

    bench->template = frame_read(MACS IPV4("0028", "0000", "06") TCP "0000 0000 0000 0000 0000",
                                 &length);
    bench->memory = aligned_alloc(64, BATCH * ROOM);
    bench->mbuf = aligned_alloc(64, BATCH * sizeof(*bench->mbuf));
    for (unsigned i = 0; i < BATCH; i++) {
        bench->frame[i] = &bench->mbuf[i];
        bench->mbuf[i] = mbuf_at(bench->memory + i * ROOM, (uint16_t)length);
    }
    REQUIRE(length == ROOM, "a frame has %u bytes", length);
}

static void
open_tables(struct bench *bench)
{
    bench->seed = flow_table_new(1);
    REQUIRE(bench->seed != NULL, "no memory for a seed");
    bench->classifier = open_classifier(
        bench->room, &node, json_pack("{s: [], s: i}", "rules", "default_chain", 1));
    bench->hash = open_hash(bench->room);
    for (uint32_t flow = 0; flow < bench->flows; flow++)
        add_key(bench->hash, key_of(flow));
}

/* Frames, or keys, of the next packets, as a NIC would have written them. */
static void
prepare_frames(struct bench *bench, uint32_t first)
{
    for (unsigned i = 0; i < BATCH; i++) {
        uint32_t flow = flow_of(bench, first + i);

        memcpy(bench->memory + i * ROOM, bench->template, ROOM);
        memcpy(bench->memory + i * ROOM + ADDRESSES, &flow, sizeof(flow));
    }
}

static void
prepare_keys(struct bench *bench, uint32_t first)
{
    for (unsigned i = 0; i < BATCH; i++)
        bench->key[i] = key_of(flow_of(bench, first + i));
}

static inline void
prefetch(struct rte_mbuf **burst)
{
    for (unsigned i = 0; i < ONVM_BURST; i++)
        rte_prefetch0(rte_pktmbuf_mtod(burst[i], void *));
}

static inline bool
parse(struct rte_mbuf *frame, struct compact_key *key)
{
    return compact_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame), 0,
                         key);
}

/* Reads a word of each frame. */
static void
touch(struct bench *bench, struct rte_mbuf **burst)
{
    uint64_t all = 0;

    (void)bench;
    prefetch(burst);
    for (unsigned i = 0; i < ONVM_BURST; i++)
        all += *rte_pktmbuf_mtod(burst[i], const uint64_t *);
    use(&all);
}

static void
parse_all(struct bench *bench, struct rte_mbuf **burst)
{
    struct compact_key key[ONVM_BURST];
    bool parsed = true;

    (void)bench;
    prefetch(burst);
    for (unsigned i = 0; i < ONVM_BURST; i++)
        parsed &= parse(burst[i], &key[i]);
    REQUIRE(parsed, "a frame is not read");
    use(key);
}

static void
hash_all(struct bench *bench, struct rte_mbuf **burst)
{
    struct compact_key key[ONVM_BURST];
    uint32_t place[ONVM_BURST];
    bool parsed = true;

    prefetch(burst);
    for (unsigned i = 0; i < ONVM_BURST; i++) {
        parsed &= parse(burst[i], &key[i]);
        place[i] = flow_place_compact(bench->seed, &key[i]);
    }
    REQUIRE(parsed, "a frame is not read");
    use(key);
    use(place);
}

static void
classify(struct bench *bench, struct rte_mbuf **burst)
{
    struct classification results[ONVM_BURST];

    classifier_classify(bench->classifier, 0, burst, ONVM_BURST, 1, results);
    use(results);
}

static void
look_up_keys(struct bench *bench, const struct key *key)
{
    const void *pointer[ONVM_BURST];
    int32_t position[ONVM_BURST];

    for (unsigned i = 0; i < ONVM_BURST; i++)
        pointer[i] = &key[i];
    rte_hash_lookup_bulk(bench->hash, pointer, ONVM_BURST, position);
    use(position);
}

static double
time_frames(struct bench *bench, uint32_t first,
            void (*work)(struct bench *bench, struct rte_mbuf **burst))
{
    double start;

    prepare_frames(bench, first);
    start = cpu_nanoseconds();
    for (unsigned i = 0; i < BATCH; i += ONVM_BURST)
        work(bench, &bench->frame[i]);
    return cpu_nanoseconds() - start;
}

static double
time_keys(struct bench *bench, uint32_t first)
{
    double start;

    prepare_keys(bench, first);
    start = cpu_nanoseconds();
    for (unsigned i = 0; i < BATCH; i += ONVM_BURST)
        look_up_keys(bench, &bench->key[i]);
    return cpu_nanoseconds() - start;
}

/* What a pair of looks at the clock costs is in all of them, and so in no difference. */
static void
print_sample(struct bench *bench)
{
    double touched = 0, parsed = 0, hashed = 0, all = 0, other = 0, clock = 0;
    uint32_t batches = bench->packets / BATCH;
    double packets = (double)batches * BATCH;

    for (uint32_t i = 0; i < batches; i++) {
        uint32_t first = i * BATCH;
        double start = cpu_nanoseconds();

        clock += cpu_nanoseconds() - start;
        touched += time_frames(bench, first, touch);
        parsed += time_frames(bench, first, parse_all);
        hashed += time_frames(bench, first, hash_all);
        all += time_frames(bench, first, classify);
        other += time_keys(bench, first);
    }
    printf("%f %f %f %f %f\n", (touched - clock) / packets, (parsed - touched) / packets,
           (hashed - parsed) / packets, (all - hashed) / packets, (other - clock) / packets);
}

/* Has the classifier know all flows. */
static void
warm_up(struct bench *bench)
{
    for (uint32_t first = 0; first < 2 * bench->flows; first += BATCH)
        time_frames(bench, first, classify);
}

int
main(int argc, char **argv)
{
    const char *usage = "FLOWS ROOM PACKETS SAMPLES [EAL-OPTION...]";
    static struct bench bench;
    uint32_t samples = number(argc, argv, 4, usage);

    bench.flows = number(argc, argv, 1, usage);
    bench.room = number(argc, argv, 2, usage);
    bench.packets = number(argc, argv, 3, usage);
    argv[4] = argv[0];
    REQUIRE(rte_eal_init(argc - 4, argv + 4) >= 0, "DPDK does not start");
    make_frames(&bench);
    open_tables(&bench);
    warm_up(&bench);
    for (uint32_t i = 0; i < samples; i++)
        print_sample(&bench);
    REQUIRE(node.flows <= bench.flows, "%lu entries for %u flows", node.flows, bench.flows);
    return 0;
}

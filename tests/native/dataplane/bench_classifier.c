/* SPDX-License-Identifier: BSD-3-Clause */
/* What classification costs a packet, by the number of flows that take turns. */
#include <jansson.h>
#include <time.h>

#include "dataplane/classifier.h"
#include "frames.h"

#define TABLE (1u << 21)
#define ROOM 64 /* bytes from one frame to the next */
#define FRAMES 4096 /* frames in memory; each stands for several flows in turn */
#define ROUNDS 8000000u

static struct onvm_node_counters node;

static uint8_t
port_id(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return ONVM_MAX_PORTS;
}

static double
cpu_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void
fill(uint8_t *memory, struct rte_mbuf *mbuf)
{
    uint32_t length;
    uint8_t *frame = frame_read(MACS IPV4("0028", "0000", "06") TCP, &length);

    for (unsigned i = 0; i < FRAMES; i++) {
        memcpy(memory + i * ROOM, frame, length);
        mbuf[i] = (struct rte_mbuf){
            .buf_addr = memory + i * ROOM, .data_len = (uint16_t)length, .pkt_len = length};
    }
    free(frame);
}

/*
 * Classifies frames of `flows` flows in turn; returns CPU ns per frame.  Without a
 * classifier it only prepares them, so that this can be taken off.
 */
static double
run(struct classifier *classifier, struct rte_mbuf *mbuf, uint32_t flows, uint32_t rounds)
{
    struct classification results[ONVM_BURST];
    struct rte_mbuf *burst[ONVM_BURST];
    double start = cpu_nanoseconds();

    for (uint32_t done = 0; done < rounds; done += ONVM_BURST) {
        for (unsigned i = 0; i < ONVM_BURST; i++) {
            uint32_t flow = (uint32_t)((uint64_t)((done + i) * 2654435761u) * flows >> 32);

            burst[i] = &mbuf[(done + i) % FRAMES];
            memcpy((uint8_t *)burst[i]->buf_addr + 26, &flow, sizeof(flow));
        }
        if (classifier != NULL)
            classifier_classify(classifier, 0, burst, ONVM_BURST, 1, results);
        __asm__ volatile("" ::"r"(burst) : "memory"); /* the bursts are needed, compiler */
    }
    return (cpu_nanoseconds() - start) / rounds;
}

int
main(void)
{
    static const uint32_t flows[] = {1, 1000, 100000, 1000000};
    uint8_t *memory = aligned_alloc(64, FRAMES * ROOM);
    struct rte_mbuf *mbuf = aligned_alloc(64, FRAMES * sizeof(*mbuf));
    json_t *plan = json_pack("{s: [], s: i}", "rules", "default_chain", 1);
    struct failure failure;

    fill(memory, mbuf);
    for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
        struct classifier *classifier = classifier_new(TABLE, &node, &failure);

        REQUIRE(classifier != NULL, "%s", failure.text);
        ruleset_free(classifier_exchange(classifier,
                                         ruleset_parse(plan, port_id, NULL, &failure)));
        run(classifier, mbuf, flows[i], flows[i] * 2 + ONVM_BURST);
        printf("%8u flows: %5.1f ns a packet\n", flows[i],
               run(classifier, mbuf, flows[i], ROUNDS) - run(NULL, mbuf, flows[i], ROUNDS));
        CHECK(node.flows <= flows[i], "%lu entries", node.flows);
        classifier_free(classifier);
    }
    json_decref(plan);
    free(memory);
    free(mbuf);
    return check_result();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one hop costs by the segments of a packet: an NF program in its own process,
 * some 2,048 buffers that go round and round, bursts of 32 descriptors.  Both ends share one
 * CPU and take turns, so the NF's CPU time is work and not waiting.
 *
 *   bench_hop MILLISECONDS SAMPLES NF [PARAMETERS]
 *
 * A line for each sample, with a column for packets of each of SEGMENTS, which are measured
 * in turn: CPU nanoseconds per packet of the whole NF process (edges, routes, statistics and
 * handler).
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "../../native/check.h"
#include "../../native/nf/fake_dataplane.h"
#include "sampling.h"

#define SLOTS 4096
#define BUFFERS 2048u
#define CHAIN 1
#define LENGTH 60 /* of a segment: no NF looks at more than the first bytes of a packet */

static const uint32_t SEGMENTS[] = {1, 2, 5};
enum { COLUMNS = sizeof(SEGMENTS) / sizeof(SEGMENTS[0]) };

struct bench {
    struct fake_dataplane fake;
    struct fake_edge in, home;
};

static uint64_t
nanoseconds(clockid_t clock)
{
    struct timespec now;

    REQUIRE(clock_gettime(clock, &now) == 0, "clock_gettime");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A UDP packet from the inside host of flow `i`. */
static void
fill(struct bench *bench, const struct onvm_descriptor *descriptor)
{
    static const uint8_t packet[LENGTH] = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0,
        198, 18, 0, 1, 198, 19, 0, 1, 0x30, 0x39, 0, 80, 0, 26};
    uint8_t *frame = fake_frame(&bench->fake, descriptor);
    uint32_t i = onvm_buffer_index(descriptor->buffer);

    memcpy(frame, packet, sizeof(packet));
    frame[28] = (uint8_t)(i >> 8);
    frame[29] = (uint8_t)i;
}

/* Puts a packet, as it was at first, into the NF's input edge. */
static void
put(struct bench *bench, uint32_t first, uint32_t segments)
{
    struct onvm_descriptor descriptor = {.offset = FAKE_HEADROOM,
                                         .length = LENGTH,
                                         .flow = first * 2654435761u,
                                         .path = onvm_path(CHAIN, 0)};

    for (uint32_t k = 0; k < segments; k++) {
        descriptor.buffer = onvm_buffer(first + k, 1);
        descriptor.flags = k + 1 < segments ? ONVM_FLAG_SEGMENT : 0;
        onvm_producer_put(&bench->in.producer, &descriptor);
        if (k == 0)
            fill(bench, &descriptor);
    }
}

static void
publish(struct bench *bench)
{
    onvm_producer_publish(&bench->in.producer);
    onvm_doorbell_ring(bench->fake.nf_doorbell.base, -1);
}

static void
prime(struct bench *bench, uint32_t segments)
{
    for (uint32_t first = 0; first + segments <= BUFFERS; first += segments)
        put(bench, first, segments);
    publish(bench);
}

/* Puts as many whole packets as one burst holds, of what came home, back where they were. */
static bool
circulate(struct bench *bench, uint32_t segments)
{
    uint32_t burst = ONVM_BURST / segments * segments;

    if (onvm_consumer_ready(&bench->home.consumer, burst) < burst ||
        onvm_producer_room(&bench->in.producer, burst) < burst)
        return false;
    for (uint32_t i = 0; i < burst; i += segments) {
        struct onvm_descriptor first;

        onvm_consumer_peek(&bench->home.consumer, i, &first);
        put(bench, onvm_buffer_index(first.buffer), segments);
    }
    onvm_consumer_release(&bench->home.consumer, burst);
    publish(bench);
    return true;
}

static void
drain(struct bench *bench, uint32_t segments)
{
    for (uint32_t left = BUFFERS / segments * segments, ready; left > 0; left -= ready) {
        ready = onvm_consumer_ready(&bench->home.consumer, left);
        onvm_consumer_release(&bench->home.consumer, ready);
        sched_yield();
    }
}

static double
measure(struct bench *bench, uint32_t segments, uint32_t milliseconds)
{
    const struct onvm_nf_counters *counters = fake_counters(&bench->fake);
    uint64_t end = nanoseconds(CLOCK_MONOTONIC) + milliseconds * 1000000ull;
    uint64_t packets = counters->rx.packets, cpu;
    clockid_t clock;

    REQUIRE(clock_getcpuclockid(bench->fake.nf, &clock) == 0, "clock_getcpuclockid");
    cpu = nanoseconds(clock);
    prime(bench, segments);
    while (nanoseconds(CLOCK_MONOTONIC) < end)
        if (!circulate(bench, segments))
            sched_yield();
    drain(bench, segments);
    return (double)(nanoseconds(clock) - cpu) / (double)(counters->rx.packets - packets);
}

static void
measure_all(struct bench *bench, uint32_t milliseconds, double cost[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        cost[i] = measure(bench, SEGMENTS[i], milliseconds);
}

static void
print(const double cost[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        printf("%f%c", cost[i], i + 1 < COLUMNS ? ' ' : '\n');
}

static void
stay_on_one_cpu(void)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    REQUIRE(sched_setaffinity(0, sizeof(cpus), &cpus) == 0, "sched_setaffinity");
}

static void
start(struct bench *bench, const char *nf, const char *parameters)
{
    struct fake_dataplane *fake = &bench->fake;
    char *reply;

    fake_start(fake, 1);
    fake_run_nf(fake, nf);
    fake_accept(fake);
    fake_welcome(fake);
    REQUIRE(fake_ask(fake, ONVM_CONFIGURE, parameters, &reply) == 0, "%s", reply);
    fake_open_edge(fake, &bench->home, ONVM_EDGE_HOME, 0, SLOTS);
    fake_open_edge(fake, &bench->in, ONVM_EDGE_IN, 0, SLOTS);
    fake_routes(fake)->next[CHAIN][0] = (struct onvm_route){.kind = ONVM_ROUTE_HOME};
}

int
main(int argc, char **argv)
{
    const char *usage = "MILLISECONDS SAMPLES NF [PARAMETERS]";
    uint32_t milliseconds = number(argc, argv, 1, usage), samples = number(argc, argv, 2, usage);
    double cost[COLUMNS];
    struct bench bench;

    REQUIRE(argc >= 4, "usage: %s %s", argv[0], usage);
    stay_on_one_cpu();
    start(&bench, argv[3], argc > 4 ? argv[4] : "{}");
    for (uint32_t i = 0; i <= samples; i++) {
        measure_all(&bench, milliseconds, cost);
        if (i > 0) /* the first warms up */
            print(cost);
    }
    fake_stop(&bench.fake);
    return 0;
}

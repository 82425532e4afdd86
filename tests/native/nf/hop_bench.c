/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one hop costs: an NF program in its own process, 2,048 packets that go
 * round and round, bursts of 32.  Both ends share one CPU and take turns, so the
 * NF's CPU time is work and not waiting.
 *
 *   hop_bench NF [PARAMETERS]
 *
 * Prints the CPU nanoseconds per packet of the whole NF process (edges, routes,
 * statistics and handler), and of its handler alone in cycles.
 */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "fake_dataplane.h"

#define SLOTS 4096
#define PACKETS 2048
#define CHAIN 1
#define SECONDS 2

static uint64_t
nanoseconds(clockid_t clock)
{
    struct timespec now;

    REQUIRE(clock_gettime(clock, &now) == 0, "clock_gettime");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A UDP packet of 60 bytes from the inside host of flow `i`. */
static void
fill(struct fake_dataplane *fake, const struct onvm_descriptor *descriptor)
{
    static const uint8_t packet[60] = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0,
        198, 18, 0, 1, 198, 19, 0, 1, 0x30, 0x39, 0, 80, 0, 26};
    uint8_t *frame = fake_frame(fake, descriptor);
    uint32_t i = onvm_buffer_index(descriptor->buffer);

    memcpy(frame, packet, sizeof(packet));
    frame[28] = (uint8_t)(i >> 8);
    frame[29] = (uint8_t)i;
}

static void
prime(struct fake_dataplane *fake, struct fake_edge *in)
{
    for (uint32_t i = 0; i < PACKETS; i++) {
        struct onvm_descriptor descriptor = {.buffer = onvm_buffer(i, 1),
                                             .offset = FAKE_HEADROOM,
                                             .length = 60,
                                             .flow = i * 2654435761u,
                                             .path = onvm_path(CHAIN, 0)};

        fill(fake, &descriptor);
        fake_post(fake, in, &descriptor, 1);
    }
}

/* Puts whatever came home back into the NF's input edge, as it was at first. */
static uint32_t
circulate(struct fake_dataplane *fake, struct fake_edge *in, struct fake_edge *home)
{
    uint32_t ready = onvm_consumer_ready(&home->consumer, ONVM_BURST);

    if (ready < ONVM_BURST || onvm_producer_room(&in->producer, ready) < ready)
        return 0;
    for (uint32_t i = 0; i < ready; i++) {
        struct onvm_descriptor descriptor;

        onvm_consumer_peek(&home->consumer, i, &descriptor);

        descriptor.hop = 0;
        descriptor.flags = 0;
        fill(fake, &descriptor);
        onvm_producer_put(&in->producer, &descriptor);
    }
    onvm_producer_publish(&in->producer);
    onvm_doorbell_ring(fake->nf_doorbell.base, -1);
    onvm_consumer_release(&home->consumer, ready);
    return ready;
}

static void
measure(struct fake_dataplane *fake, struct fake_edge *in, struct fake_edge *home)
{
    const struct onvm_nf_counters *counters = fake_counters(fake);
    uint64_t end = nanoseconds(CLOCK_MONOTONIC) + SECONDS * 1000000000ull;
    uint64_t cpu, packets, cycles;
    clockid_t clock;

    REQUIRE(clock_getcpuclockid(fake->nf, &clock) == 0, "clock_getcpuclockid");
    packets = counters->rx.packets;
    cycles = counters->handler_cycles;
    cpu = nanoseconds(clock);
    while (nanoseconds(CLOCK_MONOTONIC) < end)
        if (circulate(fake, in, home) == 0)
            sched_yield();
    cpu = nanoseconds(clock) - cpu;
    packets = counters->rx.packets - packets;
    cycles = counters->handler_cycles - cycles;
    printf("%.2f ns/packet of the NF's CPU, %.1f cycles/packet in its handler, %.1f Mpps, "
           "%.1f packets/burst\n",
           (double)cpu / (double)packets, (double)cycles / (double)packets,
           (double)packets / SECONDS / 1e6,
           (double)counters->rx.packets / (double)counters->bursts);
}

static void
stay_on_one_cpu(void)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    REQUIRE(sched_setaffinity(0, sizeof(cpus), &cpus) == 0, "sched_setaffinity");
}

int
main(int argc, char **argv)
{
    struct fake_dataplane fake;
    struct fake_edge in, home;
    char *reply;

    REQUIRE(argc >= 2, "usage: hop_bench NF [PARAMETERS]");
    stay_on_one_cpu();
    fake_start(&fake, 1);
    fake_run_nf(&fake, argv[1]);
    fake_accept(&fake);
    fake_welcome(&fake);
    REQUIRE(fake_ask(&fake, ONVM_CONFIGURE, argc > 2 ? argv[2] : "{}", &reply) == 0, "%s", reply);
    fake_open_edge(&fake, &home, ONVM_EDGE_HOME, 0, SLOTS);
    fake_open_edge(&fake, &in, ONVM_EDGE_IN, 0, SLOTS);
    fake_routes(&fake)->next[CHAIN][0] = (struct onvm_route){.kind = ONVM_ROUTE_HOME};
    prime(&fake, &in);
    measure(&fake, &in, &home);
    fake_stop(&fake);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The firewall's promise: 1,000 rules cost at most twice as much as 10.
 *
 * The traffic is the hard case: every packet is of another flow, and packets
 * match rules from all over the list or none.
 */
#include <string.h>
#include <time.h>

#include "../check.h"
#include "nf/nf.h"

#define PACKETS 4096u
#define SIZE 128u
#define ROUNDS 400u
#define REPEATS 7

static uint8_t frames[PACKETS][SIZE];

/* A rule like those of real lists: a source network, a destination host, a port. */
static json_t *
make_rule(unsigned i)
{
    return json_pack("{s:o, s:o, s:s, s:i, s:s}", "source",
                     json_sprintf("198.18.%u.0/24", i % 256), "destination",
                     json_sprintf("198.19.%u.%u", i / 256, i % 256), "protocol", "udp",
                     "destination_ports", 1000 + i % 500, "verdict", i % 3 ? "accept" : "drop");
}

static json_t *
make_configuration(unsigned rules)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < rules; i++)
        json_array_append_new(list, make_rule(i));
    return json_pack("{s:{s:o}}", "parameters", "rules", list);
}

/* Packet i fits rule i % (2 * rules), so that half of them match none. */
static void
make_frame(uint8_t *frame, unsigned i, unsigned rules)
{
    static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
                                    0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
    unsigned rule = i * 7919u % (2 * rules);
    const uint8_t addresses[] = {198, 18, (uint8_t)rule, (uint8_t)i,
                                 198, 19, (uint8_t)(rule / 256), (uint8_t)rule};
    unsigned source_port = 1024 + i, port = 1000 + rule % 500;
    const uint8_t udp[] = {(uint8_t)(source_port >> 8), (uint8_t)source_port,
                           (uint8_t)(port >> 8), (uint8_t)port, 0, 26};

    memcpy(frame, start, sizeof(start));
    memcpy(frame + 26, addresses, sizeof(addresses));
    memcpy(frame + 34, udp, sizeof(udp));
}

static uint64_t
cpu_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
run_burst(void *state, uint32_t first)
{
    struct onvm_burst burst = {.count = ONVM_BURST, .stride = SIZE};

    for (uint32_t i = 0; i < ONVM_BURST; i++) {
        burst.data[i] = frames[(first + i) % PACKETS];
        burst.descriptor[i].length = 60;
    }
    onvm_module.handler(&burst, state);
}

static double
measure_once(void *state)
{
    uint64_t start = cpu_nanoseconds();

    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t first = 0; first < PACKETS; first += ONVM_BURST)
            run_burst(state, first);
    return (double)(cpu_nanoseconds() - start) / ROUNDS / PACKETS;
}

/* The share of packets that some rule matched, so that nothing cheaper is measured. */
static double
matched(void *state)
{
    struct onvm_failure failure;
    json_t *request = json_pack("{s:s}", "query", "rules");
    json_t *answer = onvm_module.query(state, request, &failure), *rule;
    json_int_t packets = 0;
    size_t i;

    json_array_foreach(json_object_get(answer, "rules"), i, rule)
        packets += json_integer_value(json_object_get(rule, "packets"));
    json_decref(request);
    json_decref(answer);
    return (double)packets / REPEATS / ROUNDS / PACKETS;
}

static int
compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

/* The median of several runs, in nanoseconds of CPU per packet. */
static double
measure(unsigned rules)
{
    void *state = calloc(1, onvm_module.state_size);
    json_t *configuration = make_configuration(rules);
    struct onvm_failure failure;
    double times[REPEATS];

    for (unsigned i = 0; i < PACKETS; i++)
        make_frame(frames[i], i, rules);
    REQUIRE(onvm_module.configure(state, configuration, &failure), "%s", failure.text);
    for (int i = 0; i < REPEATS; i++)
        times[i] = measure_once(state);
    CHECK(matched(state) > 0.4 && matched(state) < 0.6, "%.2f of the packets met a rule",
          matched(state));
    qsort(times, REPEATS, sizeof(times[0]), compare);
    onvm_module.stop(state);
    free(state);
    json_decref(configuration);
    return times[REPEATS / 2];
}

int
main(void)
{
    double ten = measure(10), thousand = measure(1000);

    printf("10 rules: %.1f ns/packet, 1000 rules: %.1f ns/packet, ratio %.2f\n", ten, thousand,
           thousand / ten);
    CHECK(thousand <= 2 * ten, "1000 rules cost %.2f times as much as 10", thousand / ten);
    return check_result();
}

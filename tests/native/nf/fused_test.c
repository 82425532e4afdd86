/* SPDX-License-Identifier: BSD-3-Clause */
/* Several NFs in one process: each test is a life of two forward NFs, a before b. */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../check.h"
#include "fake_dataplane.h"
#include "nf/exit_code.h"

#define SLOTS 256
#define CHAIN 5
#define TABLE 4
#define PARAMETERS "{\"parameters\": {\"swap_mac\": %s}, \"service\": \"forward\"}"

static const char *program;

/* in -> a -> between -> b -> home[1]; out of a by slot 3, into b by slot 2. */
struct bed {
    struct fake_dataplane fake[2];
    struct fake_edge in, between, home[2];
};

static void
configure(struct fake_dataplane *fake, bool swap_mac)
{
    char text[128], *reply;

    snprintf(text, sizeof(text), PARAMETERS, swap_mac ? "true" : "false");
    REQUIRE(fake_ask(fake, ONVM_CONFIGURE, text, &reply) == 0, "%s", reply);
}

static void
attach(struct bed *bed)
{
    for (int i = 0; i < 2; i++)
        fake_accept(&bed->fake[i]), fake_welcome(&bed->fake[i]);
    for (int i = 0; i < 2; i++) {
        configure(&bed->fake[i], true);
        fake_open_edge(&bed->fake[i], &bed->home[i], ONVM_EDGE_HOME, 0, SLOTS);
    }
    fake_open_edge(&bed->fake[0], &bed->in, ONVM_EDGE_IN, 0, SLOTS);
}

/* Everything but the edge between the two. */
static void
start_apart(struct bed *bed)
{
    fake_start(&bed->fake[0], 1);
    fake_start_beside(&bed->fake[1], &bed->fake[0]);
    fake_run_fused(bed->fake, 2, program, "forward");
    attach(bed);
}

static void
route(struct fake_dataplane *fake, unsigned hop, struct onvm_route route)
{
    onvm_route_store(&fake_routes(fake)->next[CHAIN][hop], route);
}

static void
route_over(struct fake_dataplane *fake, unsigned hop, uint16_t even, uint16_t odd)
{
    uint16_t *place = fake_routes(fake)->table[TABLE];

    for (size_t i = 0; i < sizeof(fake_routes(fake)->table[0]) / sizeof(*place); i++)
        place[i] = i % 2 ? odd : even;
    route(fake, hop, (struct onvm_route){.kind = ONVM_ROUTE_TABLE, .index = TABLE});
}

static void
set_routes(struct bed *bed)
{
    route_over(&bed->fake[0], 0, 3, 3);
    route(&bed->fake[1], 1, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
}

static void
start(struct bed *bed)
{
    start_apart(bed);
    fake_open_edge(&bed->fake[1], &bed->between, ONVM_EDGE_IN, 2, SLOTS);
    fake_open_other_end(&bed->fake[0], &bed->between, ONVM_EDGE_OUT, 3);
    set_routes(bed);
}

static void
stop(struct bed *bed)
{
    struct onvm_message message = {.type = ONVM_STOP};

    for (int i = 0; i < 2; i++)
        fake_send(&bed->fake[i], &message, sizeof(message));
    REQUIRE(fake_wait_nf(&bed->fake[0]) == EXIT_CODE_STOPPED, "STOP of both must end the process");
    fake_stop(&bed->fake[1]);
    fake_stop(&bed->fake[0]);
}

static void
post(struct bed *bed, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct onvm_descriptor packet = {.buffer = onvm_buffer(i, 7),
                                         .offset = FAKE_HEADROOM,
                                         .length = (uint16_t)(60 + i % 7),
                                         .flow = i,
                                         .path = onvm_path(CHAIN, 2)};
        memcpy(fake_frame(&bed->fake[0], &packet), "ABCDEFabcdef", 12);
        fake_post(&bed->fake[0], &bed->in, &packet, 1);
    }
}

/* Takes packets that came home from an NF: these buffers, in this order, by NEXT. */
static void
expect_home(struct fake_edge *home, uint32_t first, uint32_t count)
{
    struct onvm_descriptor back[SLOTS];

    REQUIRE(fake_take(home, back, count) == count, "%u packets did not come home", count);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(onvm_buffer_index(back[i].buffer) == first + i, "packet %u is out of order", i);
        REQUIRE((back[i].flags & ONVM_FLAG_VERDICT) == ONVM_VERDICT_NEXT, "packet %u dropped", i);
    }
}

static uint32_t
through_ring(const struct bed *bed)
{
    const struct onvm_edge *edge = bed->between.memory.base;

    return __atomic_load_n(&edge->head, __ATOMIC_ACQUIRE);
}

static void
test_a_burst_passes_without_the_ring_and_is_counted_at_both(void)
{
    struct bed bed;

    start(&bed);
    post(&bed, 0, 100);
    expect_home(&bed.home[1], 0, 100);
    REQUIRE(through_ring(&bed) == 0, "the ring was used");
    for (unsigned i = 0; i < 2; i++) {
        const struct onvm_nf_counters *counters = fake_counters(&bed.fake[i]);
        uint64_t bytes = counters->hop[CHAIN][i].bytes;

        REQUIRE(counters->rx.packets == 100 && counters->verdict[ONVM_VERDICT_NEXT] == 100,
                "NF %u: %lu received", i, counters->rx.packets);
        REQUIRE(counters->hop[CHAIN][i].packets == 100 && bytes == counters->rx.bytes,
                "NF %u: its hop", i);
        REQUIRE(bytes == 6295, "NF %u: %lu bytes", i, bytes);
    }
    stop(&bed);
}

static void
test_ends_may_be_opened_in_the_other_order_and_again(void)
{
    struct bed bed;

    start_apart(&bed);
    set_routes(&bed);
    for (uint32_t round = 0; round < 3; round++) {
        fake_open_edge(&bed.fake[0], &bed.between, ONVM_EDGE_OUT, 3, SLOTS);
        fake_open_other_end(&bed.fake[1], &bed.between, ONVM_EDGE_IN, 2);
        post(&bed, round * 40, 40);
        expect_home(&bed.home[1], round * 40, 40);
        REQUIRE(through_ring(&bed) == 0, "the ring was used in round %u", round);
        fake_close_end(&bed.fake[0], ONVM_EDGE_OUT, 3);
        fake_close_edge(&bed.fake[1], &bed.between, ONVM_EDGE_IN, 2);
    }
    stop(&bed);
}

static void
test_packets_keep_their_order_when_the_ring_was_needed(void)
{
    struct bed bed;

    start(&bed);
    post(&bed, 0, SLOTS); /* b's home edge is full of these */
    while (onvm_consumer_ready(&bed.home[1].consumer, SLOTS) < SLOTS)
        usleep(1000);
    post(&bed, SLOTS, 100);
    while (through_ring(&bed) < 100)
        usleep(1000);
    expect_home(&bed.home[1], 0, SLOTS);
    post(&bed, SLOTS + 100, 100);
    expect_home(&bed.home[1], SLOTS, 200);
    stop(&bed);
}

static void
test_a_burst_parts(void)
{
    struct bed bed;
    struct onvm_descriptor back[50];

    start(&bed);
    route_over(&bed.fake[0], 0, 3, ONVM_NO_EDGE);
    post(&bed, 0, 100);
    REQUIRE(fake_take(&bed.home[1], back, 50) == 50, "even flows pass b");
    for (uint32_t i = 0; i < 50; i++)
        REQUIRE(back[i].flow == 2 * i, "even flow %u is out of order", i);
    REQUIRE(fake_take(&bed.home[0], back, 50) == 50, "odd flows come home from a");
    for (uint32_t i = 0; i < 50; i++)
        REQUIRE(back[i].hop == ONVM_DROP_no_instance && back[i].flow == 2 * i + 1, "odd flow %u", i);
    REQUIRE(fake_counters(&bed.fake[1])->hop[CHAIN][1].packets == 50, "what b counted");
    stop(&bed);
}

static void
test_routes_that_go_round_end(void)
{
    struct bed bed;
    struct fake_edge back;

    start(&bed);
    fake_open_edge(&bed.fake[1], &back, ONVM_EDGE_OUT, 7, SLOTS);
    fake_open_other_end(&bed.fake[0], &back, ONVM_EDGE_IN, 9);
    for (unsigned hop = 0; hop < ONVM_MAX_HOPS; hop++) {
        route_over(&bed.fake[0], hop, 3, 3);
        route_over(&bed.fake[1], hop, 7, 7);
    }
    route(&bed.fake[1], 15, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    post(&bed, 0, 64);
    expect_home(&bed.home[1], 0, 64);
    REQUIRE(fake_counters(&bed.fake[0])->hop[CHAIN][14].packets == 64, "a's last hop");
    stop(&bed);
}

static void
test_one_is_reconfigured_and_the_other_stays(void)
{
    struct bed bed;
    struct onvm_descriptor back;

    start(&bed);
    configure(&bed.fake[1], false);
    post(&bed, 0, 1);
    REQUIRE(fake_take(&bed.home[1], &back, 1) == 1, "the packet did not come home");
    REQUIRE(memcmp(fake_frame(&bed.fake[0], &back), "abcdefABCDEF", 12) == 0, "only a swaps");
    stop(&bed);
}

static void
test_one_is_forgotten_and_the_other_goes_on(void)
{
    struct onvm_message message = {.type = ONVM_STOP};
    struct bed bed;
    struct onvm_descriptor back[40];

    start(&bed);
    fake_send(&bed.fake[1], &message, sizeof(message));
    while (recv(bed.fake[1].session, back, sizeof(back), 0) > 0)
        ;
    post(&bed, 0, 40);
    REQUIRE(fake_take(&bed.between, back, 40) == 40, "packets take the ring, for whoever reads it");
    REQUIRE(back[39].hop == 1 && back[39].flow == 39, "wrong packet");
    fake_hang_up(&bed.fake[1]);
    fake_send(&bed.fake[0], &message, sizeof(message));
    REQUIRE(fake_wait_nf(&bed.fake[0]) == EXIT_CODE_STOPPED, "the last one ends the process");
    fake_stop(&bed.fake[1]);
    fake_stop(&bed.fake[0]);
}

static void
test_one_that_lost_its_session_attaches_again(void)
{
    struct bed bed;

    start(&bed);
    fake_hang_up(&bed.fake[1]);
    fake_accept(&bed.fake[1]);
    fake_welcome(&bed.fake[1]);
    configure(&bed.fake[1], true);
    fake_open_edge(&bed.fake[1], &bed.home[1], ONVM_EDGE_HOME, 0, SLOTS);
    fake_open_other_end(&bed.fake[1], &bed.between, ONVM_EDGE_IN, 2);
    post(&bed, 0, 40);
    expect_home(&bed.home[1], 0, 40);
    REQUIRE(through_ring(&bed) == 0, "the ring was used");
    stop(&bed);
}

static void
test_refusal_of_one_ends_the_process(void)
{
    struct bed bed;

    fake_start(&bed.fake[0], 1);
    fake_start_beside(&bed.fake[1], &bed.fake[0]);
    fake_run_fused(bed.fake, 2, program, "forward");
    fake_accept(&bed.fake[0]);
    fake_welcome(&bed.fake[0]);
    fake_accept(&bed.fake[1]);
    fake_refuse(&bed.fake[1], ONVM_ABI_VERSION, "another process is attached as this NF");
    REQUIRE(fake_wait_nf(&bed.fake[0]) == EXIT_CODE_REFUSED, "another exit code");
    fake_stop(&bed.fake[1]);
    fake_stop(&bed.fake[0]);
}

static void
test_an_unknown_nf_is_named(void)
{
    struct bed bed;

    fake_start(&bed.fake[0], 1);
    fake_run_fused(bed.fake, 1, program, "router");
    REQUIRE(fake_wait_nf(&bed.fake[0]) == EXIT_CODE_USAGE, "another exit code");
    fake_stop(&bed.fake[0]);
}

int
main(int argc, char **argv)
{
    REQUIRE(argc == 2, "usage: fused_test FUSED");
    program = argv[1];
    alarm(60);
    test_a_burst_passes_without_the_ring_and_is_counted_at_both();
    test_ends_may_be_opened_in_the_other_order_and_again();
    test_packets_keep_their_order_when_the_ring_was_needed();
    test_a_burst_parts();
    test_routes_that_go_round_end();
    test_one_is_reconfigured_and_the_other_stays();
    test_one_is_forgotten_and_the_other_goes_on();
    test_one_that_lost_its_session_attaches_again();
    test_refusal_of_one_ends_the_process();
    test_an_unknown_nf_is_named();
    return check_result();
}

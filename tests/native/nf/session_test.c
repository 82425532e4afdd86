/* SPDX-License-Identifier: BSD-3-Clause */
/* The NF library against the protocol: each test is a life of the forward NF. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "fake_dataplane.h"
#include "nf/exit_code.h"

#define SLOTS 256
#define CHAIN 5
#define PARAMETERS "{\"parameters\": {\"swap_mac\": true}, \"service\": \"forward\"}"

static const char *program;

/* A running NF with one input edge, a home edge and one output edge. */
struct bed {
    struct fake_dataplane fake;
    struct fake_edge in, home, out;
};

static void
open_edges(struct bed *bed)
{
    fake_open_edge(&bed->fake, &bed->home, ONVM_EDGE_HOME, 0, SLOTS);
    fake_open_edge(&bed->fake, &bed->in, ONVM_EDGE_IN, 0, SLOTS);
    fake_open_edge(&bed->fake, &bed->out, ONVM_EDGE_OUT, 3, ONVM_BURST);
}

static void
attach(struct bed *bed)
{
    char *reply;

    fake_accept(&bed->fake);
    fake_welcome(&bed->fake);
    REQUIRE(fake_ask(&bed->fake, ONVM_CONFIGURE, PARAMETERS, &reply) == 0, "%s", reply);
    open_edges(bed);
}

static void
start_with(struct bed *bed, uint32_t workers)
{
    fake_start(&bed->fake, workers);
    fake_run_nf(&bed->fake, program);
    attach(bed);
}

static void
start(struct bed *bed)
{
    start_with(bed, 1);
}

static void
stop(struct bed *bed)
{
    struct onvm_message message = {.type = ONVM_STOP};

    fake_send(&bed->fake, &message, sizeof(message));
    REQUIRE(fake_wait_nf(&bed->fake) == EXIT_CODE_STOPPED, "STOP must end the NF with 0");
    fake_stop(&bed->fake);
}

static struct onvm_descriptor
packet(uint32_t buffer, unsigned chain, uint8_t hop)
{
    return (struct onvm_descriptor){
        .buffer = onvm_buffer(buffer, 7),
        .offset = FAKE_HEADROOM,
        .length = 60,
        .flow = buffer,
        .path = onvm_path(chain, 2),
        .hop = hop,
    };
}

static void
route(struct bed *bed, unsigned chain, unsigned hop, struct onvm_route route)
{
    onvm_route_store(&fake_routes(&bed->fake)->next[chain][hop], route);
}

static uint8_t
verdict_of(const struct onvm_descriptor *descriptor)
{
    return descriptor->flags & ONVM_FLAG_VERDICT;
}

static void
test_next_goes_home_at_the_end_of_the_chain(void)
{
    struct bed bed;
    struct onvm_descriptor sent = packet(9, CHAIN, 1), back;

    start(&bed);
    route(&bed, CHAIN, 1, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    memcpy(fake_frame(&bed.fake, &sent), "ABCDEFabcdef", 12);
    fake_post(&bed.fake, &bed.in, &sent, 1);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "the packet did not come home");
    REQUIRE(verdict_of(&back) == ONVM_VERDICT_NEXT && back.buffer == sent.buffer, "wrong packet");
    REQUIRE(memcmp(fake_frame(&bed.fake, &back), "abcdefABCDEF", 12) == 0, "MACs not swapped");
    REQUIRE(fake_counters(&bed.fake)->hop[CHAIN][1].packets == 1, "the hop was not counted");
    stop(&bed);
}

static void
test_without_a_route_packets_are_dropped(void)
{
    struct bed bed;
    struct onvm_descriptor sent = packet(9, CHAIN, 1), back;

    start(&bed);
    fake_post(&bed.fake, &bed.in, &sent, 1);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "the packet did not come home");
    REQUIRE(verdict_of(&back) == ONVM_VERDICT_DROP && back.hop == ONVM_DROP_no_route, "no drop");
    stop(&bed);
}

static void
point_table(struct bed *bed, unsigned even, unsigned odd)
{
    for (unsigned place = 0; place < ONVM_ERAS * ONVM_BUCKETS; place++)
        fake_routes(&bed->fake)->table[4][place] = (uint16_t)(place % 2 ? odd : even);
    route(bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_TABLE, .index = 4});
}

static void
test_a_table_spreads_flows_and_names_missing_instances(void)
{
    struct bed bed;
    struct onvm_descriptor sent[] = {packet(2, CHAIN, 0), packet(3, CHAIN, 0)}, back;

    start(&bed);
    point_table(&bed, 3, ONVM_NO_EDGE);
    fake_post(&bed.fake, &bed.in, sent, 2);
    REQUIRE(fake_take(&bed.out, &back, 1) == 1, "the even flow did not go on");
    REQUIRE(back.hop == 1 && back.flow == 2, "the hop must grow on the way to the next NF");
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "the odd flow did not come home");
    REQUIRE(verdict_of(&back) == ONVM_VERDICT_DROP && back.hop == ONVM_DROP_no_instance, "no drop");
    stop(&bed);
}

static void
test_a_full_edge_turns_packets_home(void)
{
    struct bed bed;
    struct onvm_descriptor sent[ONVM_BURST + 8], back[ONVM_BURST];

    start(&bed);
    point_table(&bed, 3, 3);
    for (uint32_t i = 0; i < ONVM_BURST + 8; i++)
        sent[i] = packet(i, CHAIN, 0);
    fake_post(&bed.fake, &bed.in, sent, ONVM_BURST + 8);
    REQUIRE(fake_take(&bed.home, back, 8) == 8, "what did not fit must come home");
    REQUIRE(verdict_of(back) == ONVM_VERDICT_DROP && back[0].hop == ONVM_DROP_edge_full, "no drop");
    REQUIRE(fake_take(&bed.out, back, ONVM_BURST) == ONVM_BURST, "what fitted must go on");
    REQUIRE(fake_counters(&bed.fake)->edge_full == 8, "the drops were not counted");
    stop(&bed);
}

static void
test_impossible_descriptors_come_home_untouched(void)
{
    struct bed bed;
    struct onvm_descriptor sent[] = {packet(FAKE_BUFFERS, CHAIN, 0), packet(1, CHAIN, 0),
                                     packet(2, CHAIN, 0), packet(3, CHAIN, 200)};
    static const uint8_t reasons[] = {ONVM_DROP_bad_bounds, ONVM_DROP_bad_bounds, ONVM_DROP_runt,
                                      ONVM_DROP_no_route};
    struct onvm_descriptor back[4];

    start(&bed);
    sent[1].offset = FAKE_STRIDE - 59;
    sent[2].length = 13;
    fake_post(&bed.fake, &bed.in, sent, 4);
    REQUIRE(fake_take(&bed.home, back, 4) == 4, "every descriptor must come home");
    for (int i = 0; i < 4; i++) {
        REQUIRE(back[i].buffer == sent[i].buffer, "descriptor %d changed its buffer", i);
        REQUIRE(verdict_of(&back[i]) == ONVM_VERDICT_DROP && back[i].hop == reasons[i],
              "descriptor %d came home with reason %u", i, back[i].hop);
    }
    stop(&bed);
}

/* `count` descriptors of one packet, from buffer `first` on. */
static void
make_run(struct onvm_descriptor *run, uint32_t first, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        run[k] = packet(first + k, CHAIN, 0);
        run[k].flow = 2;
        run[k].length = 2000;
        run[k].flags = k + 1 < count ? ONVM_FLAG_SEGMENT : 0;
    }
}

static void
test_a_burst_ends_before_a_packet_that_it_would_cut(void)
{
    struct bed bed;
    struct onvm_descriptor sent[8 * 5], back[8 * 5];

    start(&bed);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    for (uint32_t i = 0; i < 8; i++)
        make_run(&sent[i * 5], i * 5, 5);
    fake_post(&bed.fake, &bed.in, sent, 40);
    REQUIRE(fake_take(&bed.home, back, 40) == 40, "all segments must come home");
    for (uint32_t i = 0; i < 40; i++)
        REQUIRE(back[i].buffer == sent[i].buffer && verdict_of(&back[i]) == ONVM_VERDICT_NEXT &&
                    (back[i].flags & ONVM_FLAG_SEGMENT) == (sent[i].flags & ONVM_FLAG_SEGMENT),
                "segment %u came home as another", i);
    REQUIRE(fake_counters(&bed.fake)->rx.packets == 8, "packets are counted, not segments");
    REQUIRE(fake_counters(&bed.fake)->hop[CHAIN][0].bytes == 80000, "and all of their bytes");
    stop(&bed);
}

static void
test_an_edge_without_room_for_all_segments_gets_none(void)
{
    const uint32_t before = ONVM_BURST - 2;
    struct bed bed;
    struct onvm_descriptor sent[ONVM_BURST - 2 + 5], back[ONVM_BURST];

    start(&bed);
    point_table(&bed, 3, 3);
    for (uint32_t i = 0; i < before; i++)
        sent[i] = packet(i, CHAIN, 0);
    make_run(&sent[before], 100, 5);
    fake_post(&bed.fake, &bed.in, sent, before + 5);
    REQUIRE(fake_take(&bed.home, back, 5) == 5, "the packet must come home whole");
    for (uint32_t k = 0; k < 5; k++)
        REQUIRE(back[k].hop == ONVM_DROP_edge_full && back[k].buffer == sent[before + k].buffer,
                "segment %u is not dropped with its packet", k);
    REQUIRE(fake_take(&bed.out, back, before) == before, "the others go on");
    REQUIRE(fake_counters(&bed.fake)->edge_full == 1, "one packet was dropped");
    stop(&bed);
}

static void
never_end(struct onvm_descriptor *descriptor)
{
    descriptor->flags |= ONVM_FLAG_SEGMENT;
}

static void
change_flow(struct onvm_descriptor *descriptor)
{
    descriptor->flow++;
}

static void
change_chain(struct onvm_descriptor *descriptor)
{
    descriptor->path ^= 1;
}

static void
leave_buffer(struct onvm_descriptor *descriptor)
{
    descriptor->length = FAKE_STRIDE;
}

static void
cut_header(struct onvm_descriptor *descriptor)
{
    descriptor->length = 13;
}

static const struct {
    const char *sentence;
    uint32_t count, spoilt;
    void (*spoil)(struct onvm_descriptor *descriptor);
    uint8_t reason;
} bad_runs[] = {
    {"a run without an end", 3, 2, never_end, ONVM_DROP_bad_run},
    {"a run of more than eight", 8, 7, never_end, ONVM_DROP_bad_run},
    {"segments of two flows", 4, 2, change_flow, ONVM_DROP_bad_run},
    {"segments of two chains", 4, 3, change_chain, ONVM_DROP_bad_run},
    {"a segment beyond its buffer", 4, 1, leave_buffer, ONVM_DROP_bad_bounds},
    {"a first segment without a header", 4, 0, cut_header, ONVM_DROP_runt},
};

static void
test_runs_that_are_no_packets_come_home_piece_by_piece(void)
{
    struct bed bed;

    start(&bed);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    for (size_t i = 0; i < sizeof(bad_runs) / sizeof(bad_runs[0]); i++) {
        struct onvm_descriptor run[ONVM_MAX_SEGMENTS], back[ONVM_MAX_SEGMENTS];

        make_run(run, 0, bad_runs[i].count);
        bad_runs[i].spoil(&run[bad_runs[i].spoilt]);
        fake_post(&bed.fake, &bed.in, run, bad_runs[i].count);
        REQUIRE(fake_take(&bed.home, back, bad_runs[i].count) == bad_runs[i].count, "%s",
                bad_runs[i].sentence);
        for (uint32_t k = 0; k < bad_runs[i].count; k++)
            REQUIRE(back[k].hop == bad_runs[i].reason && back[k].buffer == run[k].buffer &&
                        (back[k].flags & ONVM_FLAG_SEGMENT) == 0,
                    "%s: piece %u, reason %u", bad_runs[i].sentence, k, back[k].hop);
    }
    stop(&bed);
}

static void
test_a_full_home_edge_holds_the_input_back(void)
{
    struct bed bed;
    struct onvm_descriptor sent[SLOTS], back[SLOTS];

    start(&bed);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    for (uint32_t i = 0; i < SLOTS; i++)
        sent[i] = packet(i, CHAIN, 0);
    fake_post(&bed.fake, &bed.in, sent, SLOTS);
    while (onvm_consumer_ready(&bed.home.consumer, SLOTS) < SLOTS)
        usleep(1000);
    fake_post(&bed.fake, &bed.in, sent, 40);
    usleep(50000);
    REQUIRE(onvm_producer_room(&bed.in.producer, SLOTS) == SLOTS - 40, "released too early");
    REQUIRE(fake_take(&bed.home, back, SLOTS) == SLOTS, "the first packets");
    REQUIRE(fake_take(&bed.home, back, 40) == 40, "the held packets");
    stop(&bed);
}

static void
test_a_new_data_plane_finds_the_nf_again(void)
{
    struct bed bed;
    struct onvm_descriptor sent = packet(1, CHAIN, 0), back;

    start(&bed);
    fake_hang_up(&bed.fake);
    attach(&bed);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    fake_post(&bed.fake, &bed.in, &sent, 1);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "the NF does not work after it attached again");
    stop(&bed);
}

static void
test_refusal_ends_the_program(void)
{
    struct bed bed;

    fake_start(&bed.fake, 1);
    fake_run_nf(&bed.fake, program);
    fake_accept(&bed.fake);
    fake_refuse(&bed.fake, 99, "protocol version 1 is too old");
    REQUIRE(fake_wait_nf(&bed.fake) == EXIT_CODE_REFUSED, "another exit code");
    fake_stop(&bed.fake);
}

static void
test_bad_parameters_are_answered_with_a_sentence(void)
{
    struct bed bed;
    char *reply;

    fake_start(&bed.fake, 1);
    fake_run_nf(&bed.fake, program);
    fake_accept(&bed.fake);
    fake_welcome(&bed.fake);
    REQUIRE(fake_ask(&bed.fake, ONVM_CONFIGURE, "{\"parameters\": {\"swap\": 1}}", &reply) == 1 &&
              strcmp(reply, "swap is not a known key") == 0,
          "%s", reply);
    free(reply);
    REQUIRE(fake_ask(&bed.fake, ONVM_CONFIGURE, "{\"parameters\"", &reply) == 1, "half a text");
    free(reply);
    REQUIRE(fake_ask(&bed.fake, ONVM_CONFIGURE, PARAMETERS, &reply) == 0, "the NF did not recover");
    stop(&bed);
}

static void
test_queries_are_answered(void)
{
    struct bed bed;
    char *reply;

    start(&bed);
    REQUIRE(fake_ask(&bed.fake, ONVM_QUERY, "{\"query\": \"rules\"}", &reply) == 1 &&
              strcmp(reply, "the NF forward answers no queries") == 0,
          "%s", reply);
    free(reply);
    stop(&bed);
}

static void
test_edges_can_be_closed_and_opened_again(void)
{
    struct bed bed;
    struct onvm_descriptor sent = packet(1, CHAIN, 0), back;

    start(&bed);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    fake_close_edge(&bed.fake, &bed.in, ONVM_EDGE_IN, 0);
    fake_close_edge(&bed.fake, &bed.out, ONVM_EDGE_OUT, 3);
    fake_open_edge(&bed.fake, &bed.in, ONVM_EDGE_IN, 200, SLOTS);
    fake_post(&bed.fake, &bed.in, &sent, 1);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "the new edge is not served");
    stop(&bed);
}

/* With two workers, and the home edge of the second. */
static void
start_for_two(struct bed *bed, struct fake_edge *second)
{
    start_with(bed, 2);
    fake_open_edge(&bed->fake, second, ONVM_EDGE_HOME, 1, SLOTS);
    route(bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
}

static void
test_packets_go_home_to_the_worker_that_their_buffers_belong_to(void)
{
    struct bed bed;
    struct fake_edge second;
    struct onvm_descriptor back[3];
    struct onvm_descriptor sent[] = {packet(fake_index(1, 5), CHAIN, 0),
                                     packet(fake_index(0, 6), CHAIN, 0),
                                     packet(fake_index(1, FAKE_BUFFERS - 1), CHAIN, 0)};

    start_for_two(&bed, &second);
    for (unsigned i = 0; i < 3; i++)
        memcpy(fake_frame(&bed.fake, &sent[i]), "ABCDEFabcdef", 12);
    fake_post(&bed.fake, &bed.in, sent, 3);
    REQUIRE(fake_take(&bed.home, back, 1) == 1 && back[0].buffer == sent[1].buffer, "the first's");
    REQUIRE(fake_take(&second, back, 2) == 2, "the second worker's packets");
    REQUIRE(back[0].buffer == sent[0].buffer && back[1].buffer == sent[2].buffer, "in order");
    REQUIRE(memcmp(fake_frame(&bed.fake, &back[1]), "abcdefABCDEF", 12) == 0,
            "the second slice is mapped where its buffers are looked for");
    fake_post(&bed.fake, &bed.in, &sent[0], 1);
    REQUIRE(fake_take(&second, back, 1) == 1, "a burst of one worker alone");
    stop(&bed);
}

static void
test_buffers_that_no_worker_has_are_refused_and_not_touched(void)
{
    struct bed bed;
    struct fake_edge second;
    struct onvm_descriptor back[3];
    struct onvm_descriptor sent[] = {packet(FAKE_BUFFERS, CHAIN, 0), /* between the slices */
                                     packet(fake_index(2, 0), CHAIN, 0),
                                     packet(fake_index(1, FAKE_BUFFERS), CHAIN, 0)};

    start_for_two(&bed, &second);
    fake_post(&bed.fake, &bed.in, sent, 3);
    REQUIRE(fake_take(&bed.home, back, 3) == 3, "they go to a worker, which knows what to do");
    for (unsigned i = 0; i < 3; i++)
        REQUIRE(back[i].buffer == sent[i].buffer && verdict_of(&back[i]) == ONVM_VERDICT_DROP &&
                    back[i].hop == ONVM_DROP_bad_bounds,
                "descriptor %u came home with reason %u", i, back[i].hop);
    stop(&bed);
}

static void
test_a_run_of_two_workers_buffers_is_no_packet(void)
{
    struct bed bed;
    struct fake_edge second;
    struct onvm_descriptor back;
    struct onvm_descriptor sent[] = {packet(fake_index(0, 1), CHAIN, 0),
                                     packet(fake_index(1, 1), CHAIN, 0)};

    start_for_two(&bed, &second);
    sent[0].flags = ONVM_FLAG_SEGMENT;
    sent[1].flow = sent[0].flow;
    fake_post(&bed.fake, &bed.in, sent, 2);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1 && back.hop == ONVM_DROP_bad_run, "the first half");
    REQUIRE(fake_take(&second, &back, 1) == 1 && back.hop == ONVM_DROP_bad_run, "the second half");
    stop(&bed);
}

static void
test_nothing_moves_before_every_home_edge_is_open(void)
{
    struct bed bed;
    struct fake_edge second;
    struct onvm_descriptor sent = packet(fake_index(0, 1), CHAIN, 0), back;

    start_with(&bed, 2);
    route(&bed, CHAIN, 0, (struct onvm_route){.kind = ONVM_ROUTE_HOME});
    fake_post(&bed.fake, &bed.in, &sent, 1);
    usleep(50000);
    REQUIRE(onvm_consumer_ready(&bed.home.consumer, 1) == 0, "a packet moved");
    fake_open_edge(&bed.fake, &second, ONVM_EDGE_HOME, 1, SLOTS);
    REQUIRE(fake_take(&bed.home, &back, 1) == 1, "it moves now");
    stop(&bed);
}

static void
test_signals_end_the_program(void)
{
    struct bed bed;

    start(&bed);
    kill(bed.fake.nf, SIGTERM);
    REQUIRE(fake_wait_nf(&bed.fake) == EXIT_CODE_STOPPED, "SIGTERM must end the NF with 0");
    fake_stop(&bed.fake);
}

int
main(int argc, char **argv)
{
    REQUIRE(argc == 2, "usage: session_test FORWARD");
    program = argv[1];
    alarm(60);
    test_next_goes_home_at_the_end_of_the_chain();
    test_without_a_route_packets_are_dropped();
    test_a_table_spreads_flows_and_names_missing_instances();
    test_a_full_edge_turns_packets_home();
    test_impossible_descriptors_come_home_untouched();
    test_a_burst_ends_before_a_packet_that_it_would_cut();
    test_an_edge_without_room_for_all_segments_gets_none();
    test_runs_that_are_no_packets_come_home_piece_by_piece();
    test_a_full_home_edge_holds_the_input_back();
    test_a_new_data_plane_finds_the_nf_again();
    test_refusal_ends_the_program();
    test_bad_parameters_are_answered_with_a_sentence();
    test_queries_are_answered();
    test_edges_can_be_closed_and_opened_again();
    test_packets_go_home_to_the_worker_that_their_buffers_belong_to();
    test_buffers_that_no_worker_has_are_refused_and_not_touched();
    test_a_run_of_two_workers_buffers_is_no_packet();
    test_nothing_moves_before_every_home_edge_is_open();
    test_signals_end_the_program();
    return check_result();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NF that breaks the protocol on purpose, for tests of the data plane.
 *
 *   hostile_nf [--seed N] MODE
 *
 *   exit           ends with status 1 as soon as it is attached
 *   stall          attaches, then neither reads messages nor touches an edge
 *   swallow        frees the slots of its input edges and posts nothing
 *   hoard          peeks and never frees: its input edges fill
 *   random=COUNT   posts COUNT descriptors, wild, stale, doubled or out of bounds,
 *                  to its home and output edges, says so, then swallows
 *   runs=COUNT     makes COUNT runs of segments that are no packets out of what comes
 *                  in: without an end, too long, doubled, contradictory, out of
 *                  bounds; posts them home and on, says so, then swallows
 *   scribble       as random=100000, and writes wild heads and tails all the while
 *
 * It reads messages as an honest NF does (except to stall) and ends at STOP.
 * The first line on its standard output says that the work of the mode is done.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nf/session.h"

enum mode {
    MODE_EXIT,
    MODE_STALL,
    MODE_SWALLOW,
    MODE_HOARD,
    MODE_RANDOM,
    MODE_RUNS,
    MODE_SCRIBBLE
};

struct hostile {
    enum mode mode;
    uint64_t left;   /* descriptors, or runs, still to post */
    uint64_t random; /* state of the generator */
    bool said;
    struct onvm_descriptor seen; /* the last that came by an input edge */
    struct session session;
};

const struct onvm_module onvm_module = {
    .abi = ONVM_ABI_VERSION, .name = "hostile", .summary = "breaks the protocol on purpose"};

/* xorshift64*: tests must be able to repeat a run by its seed. */
static uint64_t
draw(struct hostile *hostile)
{
    hostile->random ^= hostile->random >> 12;
    hostile->random ^= hostile->random << 25;
    hostile->random ^= hostile->random >> 27;
    return hostile->random * 0x2545f4914f6cdd1dull;
}

/* One that exists, of any worker. */
static uint32_t
choose_buffer(const struct hostile *hostile, uint64_t wild)
{
    const struct onvm_welcome *welcome = &hostile->session.attachment.welcome;
    uint32_t worker = (uint32_t)(wild >> 32) % welcome->workers;

    return (worker << welcome->slice_shift) + (uint32_t)wild % welcome->slice_buffers;
}

static struct onvm_descriptor
invent(struct hostile *hostile)
{
    struct onvm_descriptor descriptor = hostile->seen; /* posted twice, if nothing else */
    uint64_t wild[2] = {draw(hostile), draw(hostile)};
    uint64_t pick = draw(hostile) >> 32;

    switch (pick % 4) {
    case 0:
        memcpy(&descriptor, wild, sizeof(descriptor));
        break;
    case 1:
        descriptor.buffer = onvm_buffer(choose_buffer(hostile, wild[0]), (uint8_t)wild[1]);
        break;
    case 2:
        descriptor.offset = (uint16_t)wild[0];
        descriptor.length = (uint16_t)wild[1];
        break;
    default:
        descriptor.hop = (uint8_t)wild[0];
        descriptor.flags = (uint8_t)wild[1];
        break;
    }
    return descriptor;
}

/* Posts one burst of inventions, as far as there is room. */
static void
post_wild(struct hostile *hostile, struct output *output)
{
    uint32_t room;

    if (!output_is_open(output))
        return;
    room = onvm_producer_room(&output->producer, ONVM_BURST);
    for (uint32_t i = 0; i < room && hostile->left > 0; i++, hostile->left--) {
        struct onvm_descriptor descriptor = invent(hostile);

        onvm_producer_put(&output->producer, &descriptor);
    }
    onvm_producer_publish(&output->producer);
    onvm_doorbell_ring(output->doorbell.base, output->eventfd);
}

static void
scribble_edge(struct hostile *hostile, struct mapping *mapping)
{
    struct onvm_edge *edge = mapping->base;

    if (!edge)
        return;
    __atomic_store_n(&edge->head, (uint32_t)draw(hostile), __ATOMIC_RELEASE);
    __atomic_store_n(&edge->tail, (uint32_t)draw(hostile), __ATOMIC_RELEASE);
    __atomic_store_n(&edge->slots, (uint32_t)draw(hostile), __ATOMIC_RELEASE);
}

static void
scribble(struct hostile *hostile)
{
    struct attachment *attachment = &hostile->session.attachment;

    for (unsigned worker = 0; worker < ONVM_MAX_WORKERS; worker++)
        scribble_edge(hostile, &attachment->home[worker].edge);
    for (unsigned slot = 0; slot < ONVM_MAX_EDGES; slot++) {
        scribble_edge(hostile, &attachment->output[slot].edge);
        scribble_edge(hostile, &attachment->input[slot].edge);
    }
}

static void
take_input(struct hostile *hostile, bool release)
{
    struct attachment *attachment = &hostile->session.attachment;

    for (uint16_t i = 0; i < attachment->inputs; i++) {
        struct onvm_consumer *consumer = &attachment->input[attachment->input_slot[i]].consumer;
        uint32_t ready = onvm_consumer_ready(consumer, ONVM_BURST);

        if (ready > 0)
            onvm_consumer_peek(consumer, ready - 1, &hostile->seen);
        if (release)
            onvm_consumer_release(consumer, ready);
    }
}

/* Makes what came in a run that is none. */
static void
spoil(struct hostile *hostile, struct onvm_descriptor *run, uint32_t count)
{
    uint32_t victim = (uint32_t)(draw(hostile) >> 32) % count;

    for (uint32_t i = 0; i < count; i++) {
        run[i].flow = run[0].flow;
        run[i].path = run[0].path;
        run[i].flags = i + 1 < count ? ONVM_FLAG_SEGMENT | ONVM_VERDICT_NEXT : ONVM_VERDICT_NEXT;
    }
    switch ((draw(hostile) >> 32) % 6) {
    case 0: run[count - 1].flags |= ONVM_FLAG_SEGMENT; break;
    case 1: run[victim].buffer = run[(victim + 1) % count].buffer; break;
    case 2: run[victim].flow++; break;
    case 3: run[victim].path ^= 1; break;
    case 4: run[victim].length = (uint16_t)~0u; break;
    default: run[victim].buffer = onvm_buffer(0xffffff, 0); break;
    }
}

/* Posts a run as far as there is room for it. */
static void
post_run(struct output *output, const struct onvm_descriptor *run, uint32_t count)
{
    if (!output_is_open(output))
        return;
    count = onvm_producer_room(&output->producer, count);
    for (uint32_t i = 0; i < count; i++)
        onvm_producer_put(&output->producer, &run[i]);
    onvm_producer_publish(&output->producer);
    onvm_doorbell_ring(output->doorbell.base, output->eventfd);
}

/* A burst of an input edge, in runs of 2 to 12. */
static void
spoil_input(struct hostile *hostile, struct onvm_consumer *consumer)
{
    struct attachment *attachment = &hostile->session.attachment;
    struct onvm_descriptor run[12];
    uint32_t ready = onvm_consumer_ready(consumer, ONVM_BURST), count;

    for (uint32_t done = 0; done + 2 <= ready && hostile->left > 0; done += count) {
        count = 2 + (uint32_t)(draw(hostile) >> 32) % 11;
        if (count > ready - done)
            count = ready - done;
        for (uint32_t i = 0; i < count; i++)
            onvm_consumer_peek(consumer, done + i, &run[i]);
        spoil(hostile, run, count);
        post_run(hostile->left % 2 ? &attachment->home[0] : &attachment->output[0], run,
                 count);
        hostile->left--;
    }
    onvm_consumer_release(consumer, ready);
}

static void
post_runs(struct hostile *hostile)
{
    struct attachment *attachment = &hostile->session.attachment;

    for (uint16_t i = 0; i < attachment->inputs; i++)
        spoil_input(hostile, &attachment->input[attachment->input_slot[i]].consumer);
}

static void
post_everywhere(struct hostile *hostile)
{
    struct attachment *attachment = &hostile->session.attachment;

    for (unsigned worker = 0; worker < ONVM_MAX_WORKERS; worker++)
        post_wild(hostile, &attachment->home[worker]);
    for (unsigned slot = 0; slot < ONVM_MAX_EDGES; slot++)
        post_wild(hostile, &attachment->output[slot]);
}

static void
say_done(struct hostile *hostile)
{
    if (hostile->said || hostile->left > 0)
        return;
    puts("done");
    fflush(stdout);
    hostile->said = true;
}

static void
misbehave(struct hostile *hostile)
{
    if (hostile->mode == MODE_RUNS && hostile->left > 0)
        post_runs(hostile);
    else
        take_input(hostile, hostile->mode != MODE_HOARD);
    if (hostile->mode != MODE_RUNS && hostile->left > 0)
        post_everywhere(hostile);
    if (hostile->mode == MODE_SCRIBBLE)
        scribble(hostile);
    if (attachment_is_whole(&hostile->session.attachment))
        say_done(hostile);
}

static int
run(struct hostile *hostile)
{
    if (hostile->mode == MODE_EXIT)
        return 1;
    while (hostile->mode == MODE_STALL)
        pause();
    while (hostile->session.end == SESSION_RUNNING) {
        session_follow(&hostile->session);
        misbehave(hostile);
        sched_yield();
    }
    return hostile->session.end == SESSION_STOPPED ? 0 : 1;
}

static bool
choose(struct hostile *hostile, const char *text)
{
    static const char *const names[] = {"exit",    "stall", "swallow", "hoard",
                                        "random=", "runs=", "scribble"};

    for (int mode = MODE_EXIT; mode <= MODE_SCRIBBLE; mode++) {
        if (strncmp(text, names[mode], strlen(names[mode])) != 0)
            continue;
        hostile->mode = (enum mode)mode;
        if (mode == MODE_RANDOM || mode == MODE_RUNS)
            hostile->left = strtoull(text + strlen(names[mode]), NULL, 10);
        if (mode == MODE_SCRIBBLE)
            hostile->left = 100000;
        return true;
    }
    return false;
}

static bool
read_arguments(struct hostile *hostile, int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 's')
            return false;
        hostile->random = strtoull(optarg, NULL, 10) | 1;
    }
    return optind == argc - 1 && choose(hostile, argv[optind]);
}

int
main(int argc, char **argv)
{
    static struct hostile hostile = {.random = 1, .session = {.module = &onvm_module}};
    const char *path = getenv("ONVM_SOCKET");

    if (!path || !read_arguments(&hostile, argc, argv)) {
        fprintf(stderr, "usage: ONVM_SOCKET=… hostile_nf [--seed N] "
                        "exit|stall|swallow|hoard|random=COUNT|runs=COUNT|scribble\n");
        return 64;
    }
    while (session_attach(&hostile.session, path) == SESSION_LOST)
        usleep(20000);
    return hostile.session.end == SESSION_RUNNING ? run(&hostile) : 76;
}

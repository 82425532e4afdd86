/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <sched.h>

#include "clock.h"
#include "passage.h"

#define SLEEP_MAX 100000000 /* nanoseconds; after it the sockets are looked at again */
#define RETRY 20000000      /* between attempts to attach */
#define COARSE 4000000      /* the clock of timers moves in steps of about this: sleep past the next */
#define NAP 1000000         /* with several doorbells: only one of them can be waited for */

struct loop {
    struct group *group;
    const volatile sig_atomic_t *stop;
    uint64_t next_attempt; /* to attach members that are away */
    uint32_t empty;        /* turns without a packet, one after the other */
    struct passage passage;
};

static void
ring_all(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        attachment_ring(&group->member[i].session.attachment);
}

/*
 * One burst of one input edge; returns the number of descriptors it moved.  Doorbells of
 * the burst before are rung between the two.
 */
static uint32_t
serve(struct loop *loop, struct member *member, struct onvm_consumer *consumer)
{
    struct attachment *attachment = &member->session.attachment;
    uint32_t ready = onvm_consumer_ready(consumer, ONVM_BURST);

    if (ready > 0)
        ready = attachment_home_room(attachment, ready);
    if (ready == 0)
        return 0;
    ready = passage_gather(&loop->passage, member, consumer, ready);
    ring_all(loop->group);
    passage_handle(&loop->passage, member);
    onvm_consumer_release(consumer, ready);
    return ready;
}

/* One burst of each input edge. */
static uint32_t
turn(struct loop *loop)
{
    uint32_t moved = 0;

    for (unsigned m = 0; m < loop->group->count; m++) {
        struct member *member = &loop->group->member[m];
        struct attachment *attachment = &member->session.attachment;
        if (!member_may_move(member))
            continue;
        for (uint16_t i = 0; i < attachment->inputs; i++)
            moved += serve(loop, member, &attachment->input[attachment->input_slot[i]].consumer);
    }
    return moved;
}

static bool
member_has_packets(struct member *member)
{
    struct attachment *attachment = &member->session.attachment;

    for (uint16_t i = 0; i < attachment->inputs; i++)
        if (onvm_consumer_ready(&attachment->input[attachment->input_slot[i]].consumer, 1) > 0)
            return member_may_move(member);
    return false;
}

/* Whether packets wait that may be moved now, or as soon as a home edge has room. */
static bool
has_packets(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_has_packets(&group->member[i]))
            return true;
    return false;
}

static bool
has_mail(const struct group *group)
{
    for (unsigned i = 0; i < group->bells; i++)
        if (__atomic_load_n(&group->bell[i]->mail, __ATOMIC_RELAXED) != 0)
            return true;
    return false;
}

/* The flags are lowered first: a message that comes in between raises its own again. */
static void
read_mail(struct group *group)
{
    for (unsigned i = 0; i < group->bells; i++)
        __atomic_store_n(&group->bell[i]->mail, 0, __ATOMIC_SEQ_CST);
    group_follow(group);
}

/* Calls a module's timer when it is due; returns the nanoseconds until the next call. */
static uint64_t
run_timer(struct member *member, uint64_t now)
{
    const struct onvm_module *module = member->session.module;

    if (!module->timer || member->stopped)
        return SLEEP_MAX;
    if (now >= member->next_timer) {
        module->timer(member->session.state, now);
        member->next_timer = now + module->timer_interval;
    }
    return member->next_timer - now;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Looks for the data plane of members that are away; the nanoseconds until the next look. */
static uint64_t
attach_missing(struct loop *loop, uint64_t now)
{
    if (!group_is_incomplete(loop->group))
        return SLEEP_MAX;
    if (now >= loop->next_attempt) {
        group_attach(loop->group);
        loop->next_attempt = now + RETRY;
    }
    return loop->next_attempt - now;
}

/* Does what is due by the clock; returns the nanoseconds until something will be. */
static uint64_t
keep_time(struct loop *loop, uint64_t now)
{
    uint64_t longest = attach_missing(loop, now);

    for (unsigned i = 0; i < loop->group->count; i++)
        longest = earlier(longest, run_timer(&loop->group->member[i], now));
    return longest;
}

static void
count_sleep(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_is_attached(&group->member[i]))
            ONVM_COUNT(attachment_counters(&group->member[i].session.attachment)->sleeps, 1);
}

/*
 * Sleeps until a producer rings, for a short while at the most.  False: nobody did, as
 * when the data plane died, which shows at the socket only.
 */
static bool
sleep_until_rung(struct loop *loop, uint64_t longest)
{
    struct group *group = loop->group;
    bool rung = true;

    for (unsigned i = 0; i < group->bells; i++)
        onvm_doorbell_arm(group->bell[i]);
    if (!has_packets(group) && !has_mail(group) && !*loop->stop) {
        count_sleep(group);
        rung = onvm_doorbell_wait(group->bell[0], (long)(group->bells > 1 ? earlier(longest, NAP)
                                                                          : longest));
    }
    for (unsigned i = 0; i < group->bells; i++)
        onvm_doorbell_disarm(group->bell[i]);
    return rung;
}

static void
pause_for(uint64_t nanoseconds)
{
    struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)nanoseconds};

    nanosleep(&pause, NULL);
}

/* How long members may search for packets before they sleep: what any attached one was told. */
static const struct onvm_welcome *
manners(const struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_is_attached(&group->member[i]))
            return &group->member[i].session.attachment.welcome;
    return NULL;
}

/* Spins, then yields; false: that is enough now. */
static bool
linger(struct loop *loop)
{
    const struct onvm_welcome *welcome = manners(loop->group);

    if (!welcome || loop->empty >= welcome->spin + welcome->yield)
        return false;
    if (loop->empty++ < welcome->spin)
        clock_relax();
    else
        sched_yield();
    return true;
}

/* A turn that moved nothing: spin, then yield, then sleep. */
static void
rest(struct loop *loop)
{
    uint64_t longest;

    ring_all(loop->group);
    if (linger(loop))
        return;
    longest = keep_time(loop, clock_coarse());
    if (loop->group->bells == 0)
        pause_for(earlier(longest, RETRY));
    else if (has_packets(loop->group))
        sched_yield(); /* nobody rings when the home edge has room again */
    else if (sleep_until_rung(loop, longest + COARSE))
        return;
    group_follow(loop->group);
}

enum exit_code
loop_run(struct group *group, const volatile sig_atomic_t *stop)
{
    struct loop loop = {.group = group, .stop = stop};
    enum exit_code code;


    group_attach(group);
    while (!group_is_over(group, &code) && !*stop) {
        if (has_mail(group)) {
            ring_all(group);
            read_mail(group);
        } else if (turn(&loop) > 0) {
            loop.empty = 0;
            keep_time(&loop, loop.passage.burst.now);
        } else {
            rest(&loop);
        }
    }
    ring_all(group);
    return code;
}

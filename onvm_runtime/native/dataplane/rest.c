/* SPDX-License-Identifier: BSD-3-Clause */
#include "rest.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "worker.h"

/*
 * Empty turns before the worker yields, and before it sleeps.  A turn without work
 * takes some tens of nanoseconds, so it spins for about as long as going to sleep
 * and being woken costs.
 */
#define SPIN_TURNS 1024
#define YIELD_TURNS (SPIN_TURNS + 32)

/*
 * How long it sleeps at the most: long if every port can wake it.  Else a poll
 * period, which doubles while nothing comes: each wake-up costs some 20 us, and an
 * idle node is to use less than a twentieth of its core.
 */
#define SLEEP_NS 100000000l
#define POLL_NS_FIRST 125000l
#define POLL_NS_LAST 1500000l

/*
 * A worker that only drops while NFs hold packets is what keeps those from running that share
 * its CPU (sharing.h): after so long it leaves the core to them for a while.  It loses
 * nothing, for what comes in meanwhile would be dropped as well.  No doorbell ends the
 * while, or the worker would be back after the first burst of many.
 */
#define FUTILE_US 25
#define GIVE_WAY_NS 20000l

void
rest_watch(struct worker *worker, bool watched)
{
    for (unsigned i = 0; i < worker->ports; i++) {
        struct port_queue *queue = worker->queue[worker->port_list[i]];

        if (queue->receives && queue->port->ops->watch != NULL)
            queue->port->ops->watch(queue, watched);
    }
    worker->watching = watched;
}

static bool
anything_waits(struct worker *worker)
{
    if (__atomic_load_n(&worker->call, __ATOMIC_ACQUIRE) != NULL ||
        __atomic_load_n(&worker->stop, __ATOMIC_ACQUIRE) || news_wait(&worker->news))
        return true;
    for (unsigned i = 0; i < worker->inlets; i++)
        if (onvm_consumer_ready(&worker->inlet[i].consumer, 1) > 0)
            return true;
    return false;
}

/* Asked before each sleep, since a port that plays a file comes to its end some time. */
static bool
must_poll(const struct worker *worker)
{
    for (unsigned i = 0; i < worker->ports; i++)
        if (port_queue_is_polled(worker->queue[worker->port_list[i]]))
            return true;
    return false;
}

static long
next_sleep(struct worker *worker, bool polls)
{
    long period = worker->poll_ns;

    if (!polls)
        return SLEEP_NS;
    if (period < POLL_NS_LAST)
        worker->poll_ns = 2 * period;
    return period;
}

static void
wait_for_events(struct worker *worker, bool polls)
{
    struct timespec limit = {.tv_nsec = next_sleep(worker, polls)};
    struct epoll_event events[8];
    int count = epoll_pwait2(worker->epoll, events, 8, &limit, NULL);

    for (int i = 0; i < count; i++) {
        eventfd_t rings;
        if (events[i].data.fd == worker->eventfd)
            eventfd_read(worker->eventfd, &rings);
    }
}

static void
sleep_until_woken(struct worker *worker)
{
    bool polls = must_poll(worker);

    if (!polls) /* else it wakes soon, and its clock ticks then */
        worker_tick(worker);
    onvm_doorbell_arm(worker->doorbell);
    if (!anything_waits(worker)) {
        ONVM_COUNT(worker->counters->sleeps, 1);
        wait_for_events(worker, polls);
    }
    onvm_doorbell_disarm(worker->doorbell);
    rest_watch(worker, false);
}

/* The first time it only has the ports watched: the turn after that sees what came before. */
static void
fall_asleep(struct worker *worker)
{
    if (worker->watching)
        sleep_until_woken(worker);
    else
        rest_watch(worker, true);
}

void
rest(struct worker *worker, unsigned empty_turns)
{
    if (worker->poll || empty_turns < SPIN_TURNS) {
        rte_pause();
        worker->poll_ns = POLL_NS_FIRST;
    } else if (empty_turns < YIELD_TURNS) {
        sched_yield();
    } else {
        fall_asleep(worker);
    }
}

static void
give_way(struct worker *worker)
{
    nanosleep(&(struct timespec){.tv_nsec = GIVE_WAY_NS}, NULL);
    worker->useful_at = rte_rdtsc();
}

void
rest_judge(struct worker *worker, unsigned received, unsigned returned, uint64_t dropped)
{
    bool futile = received > 0 && returned == 0 && worker->dropped - dropped >= received &&
                  worker->ledger.out > 0;

    if (!futile || !__atomic_load_n(&worker->shares_cpu, __ATOMIC_RELAXED))
        worker->useful_at = worker->turn_at;
    else if (worker->turn_at - worker->useful_at > worker->cycles_per_ms / 1000 * FUTILE_US)
        give_way(worker);
}

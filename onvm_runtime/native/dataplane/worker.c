/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link.h"
#include "rest.h"

struct worker_call {
    void (*function)(struct worker *, void *);
    void *argument;
    sem_t done;
};

void
worker_call(struct worker *worker, void (*function)(struct worker *, void *), void *argument)
{
    struct worker_call call = {.function = function, .argument = argument};

    sem_init(&call.done, 0, 0);
    __atomic_store_n(&worker->call, &call, __ATOMIC_RELEASE);
    onvm_doorbell_ring(worker->doorbell, worker->eventfd);
    while (sem_wait(&call.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&call.done);
}

static void
answer_call(struct worker *worker)
{
    struct worker_call *call = __atomic_load_n(&worker->call, __ATOMIC_ACQUIRE);

    if (call == NULL)
        return;
    call->function(worker, call->argument);
    __atomic_store_n(&worker->call, NULL, __ATOMIC_RELAXED);
    sem_post(&call->done);
}

void
worker_drop(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
            enum onvm_drop_reason reason)
{
    worker->dropped++;
    ONVM_COUNT(worker->counters->dropped[reason], 1);
    if (chain != 0)
        ONVM_COUNT(worker->counters->chain[chain].dropped, 1);
    rte_pktmbuf_free(frame);
}

static void
watch(struct worker *worker, int operation, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    epoll_ctl(worker->epoll, operation, fd, &event);
}

void
worker_add_port(struct worker *worker, void *argument)
{
    struct port *port = argument;
    struct port_queue *queue = &port->queue[worker->number];

    rest_watch(worker, false);
    worker->queue[port->id] = queue;
    worker->port_list[worker->ports++] = port->id;
    if (queue->wait_fd >= 0)
        watch(worker, EPOLL_CTL_ADD, queue->wait_fd);
}

void
worker_remove_port(struct worker *worker, void *argument)
{
    struct port *port = argument;
    const struct port_queue *queue = worker->queue[port->id];
    unsigned i = 0;

    rest_watch(worker, false);
    if (queue->wait_fd >= 0)
        watch(worker, EPOLL_CTL_DEL, queue->wait_fd);
    while (worker->port_list[i] != port->id)
        i++;
    worker->port_list[i] = worker->port_list[--worker->ports];
    worker->queue[port->id] = NULL;
}

void
worker_tick(struct worker *worker)
{
    struct onvm_worker_counters *counters = worker->counters;
    uint64_t free_buffers = rte_mempool_avail_count(worker->pool);

    for (unsigned i = 0; i < worker->ports; i++) {
        struct port_queue *queue = worker->queue[worker->port_list[i]];
        if (queue->port->ops->refresh != NULL)
            queue->port->ops->refresh(queue);
    }
    classifier_expire(worker->classifier, worker->now / 1000);
    __atomic_store_n(&counters->cycles, rte_rdtsc() - worker->started_at, __ATOMIC_RELAXED);
    counters->buffers_out = worker->ledger.out;
    counters->buffers_queued = worker->region->layout.buffers - free_buffers - worker->ledger.out;
}

static void
advance_clock(struct worker *worker)
{
    uint64_t passed = (worker->turn_at - worker->tick_at) / worker->cycles_per_ms;

    worker->now += (uint32_t)passed;
    worker->tick_at += passed * worker->cycles_per_ms;
    worker_tick(worker);
}

static unsigned
turn(struct worker *worker)
{
    uint64_t dropped = worker->dropped;
    unsigned received, returned;

    news_take(&worker->news, worker->classifier, worker->now / 1000);
    received = ingress_turn(worker);
    returned = egress_turn(worker);
    egress_flush(worker);
    ingress_ring(worker);
    answer_call(worker);
    ONVM_COUNT(worker->counters->loops, 1);
    rest_judge(worker, received, returned, dropped);
    return received + returned;
}

static void
account_time(struct worker *worker, unsigned moved)
{
    uint64_t now = rte_rdtsc();

    if (moved > 0)
        ONVM_COUNT(worker->counters->busy_cycles, now - worker->turn_at);
    worker->turn_at = now;
    if (now - worker->tick_at >= worker->cycles_per_ms)
        advance_clock(worker);
    if (moved > 0 && now >= worker->pressure.look_at)
        pressure_look(worker);
}

int
worker_main(void *argument)
{
    struct worker *worker = argument;
    unsigned empty_turns = 0;

    worker->started_at = worker->tick_at = worker->turn_at = rte_rdtsc();
    while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
        unsigned moved = turn(worker);
        empty_turns = moved > 0 ? 0 : empty_turns + 1;
        if (empty_turns > 0)
            rest(worker, empty_turns);
        else if (worker->watching)
            rest_watch(worker, false);
        account_time(worker, moved);
    }
    answer_call(worker);
    return 0;
}

void
worker_stop(struct worker *worker)
{
    __atomic_store_n(&worker->stop, true, __ATOMIC_RELEASE);
    onvm_doorbell_ring(worker->doorbell, worker->eventfd);
}

static bool
open_doorbell(struct worker *worker, struct failure *failure)
{
    if (!shared_open(&worker->doorbell_memory, "onvm-doorbell", sizeof(struct onvm_doorbell),
                     SHARED_BY_BOTH, failure))
        return false;
    worker->doorbell = worker->doorbell_memory.base;
    worker->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->eventfd < 0 || worker->epoll < 0)
        return fail(failure, "cannot make the worker's eventfd: %s", strerror(errno));
    watch(worker, EPOLL_CTL_ADD, worker->eventfd);
    return true;
}

static bool
open_path(struct worker *worker, uint32_t flows, struct failure *failure)
{
    const struct region *region = worker->region;

    worker->pool = region->slice[worker->number].pool;
    worker->chain_limit = region->layout.buffers / 2;
    worker->cycles_per_ms = rte_get_tsc_hz() / 1000;
    pressure_open(&worker->pressure, LINK_SLOTS, worker->cycles_per_ms);
    worker->counters->buffers = region->layout.buffers;
    if (!ledger_open(&worker->ledger, region->slice[worker->number].first, region->slice_indices,
                     failure) ||
        !trace_open(&worker->latency.trace, worker->latency.histograms, region,
                    region->slice[worker->number].first, region->slice_indices, failure) ||
        !span_ends_open(&worker->spans, worker->number, failure))
        return false;
    worker->classifier = classifier_new(flows, worker->counters, failure);
    return worker->classifier != NULL;
}

bool
worker_open(struct worker *worker, unsigned number, struct region *region,
            struct onvm_worker_counters *counters, uint32_t flows, bool poll,
            struct failure *failure)
{
    worker->number = number;
    worker->region = region;
    worker->counters = counters;
    worker->poll = poll;
    return open_doorbell(worker, failure) && open_path(worker, flows, failure);
}

bool
worker_introduce(struct worker *workers, unsigned count, struct failure *failure)
{
    for (unsigned i = 1; i < count; i++)
        classifier_hash_like(workers[i].classifier, workers[0].classifier);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < count; j++)
            if (i != j && !news_connect(&workers[i].news, &workers[j].news, workers[j].doorbell,
                                        workers[j].eventfd, failure))
                return false;
    return true;
}

void
worker_close(struct worker *worker)
{
    classifier_free(worker->classifier);
    trace_close(&worker->latency.trace);
    ledger_close(&worker->ledger);
    span_ends_close(&worker->spans);
    shared_close(&worker->doorbell_memory);
    close(worker->eventfd);
    close(worker->epoll);
}

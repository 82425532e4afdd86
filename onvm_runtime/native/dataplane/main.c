/* SPDX-License-Identifier: BSD-3-Clause */
/* onvm-dataplane: the process that owns DPDK, ports, packet memory and the path. */
#include <errno.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control.h"
#include "eal.h"
#include "eras.h"
#include "link.h"
#include "memory.h"
#include "nf.h"
#include "node.h"
#include "plan.h"
#include "question.h"
#include "reclaim.h"
#include "session.h"
#include "sharing.h"
#include "span.h"
#include "topology.h"
#include "wiring.h"

/* How soon the control thread looks again: when something is under way, and when nothing is. */
#define BUSY_MS 2
#define QUIET_MS 50
#define REWIRE_MS 5

struct daemon {
    struct node node;
    struct sweep *sweep;
    struct watch signals;
    bool port_up[ONVM_MAX_PORTS];
};

static bool
under_way(const struct node *node)
{
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (node->chain[i] != NULL && node->chain[i]->draining)
            return true;
    return node->plan != NULL || node->wiring_stale || !wiring_settled(node) ||
           nf_any_leaving(node);
}

/* Acknowledgements come in swarms: the routes are rewritten once for many. */
static void
rewire(struct node *node)
{
    uint64_t now = node_clock();

    if (!node->wiring_stale || (now - node->wired_at < REWIRE_MS && !wiring_settled(node)))
        return;
    node->wiring_stale = false;
    node->wired_at = now;
    wiring_refresh(node);
}

static void
watch_ports(struct daemon *daemon)
{
    for (unsigned i = 0; i < ONVM_MAX_PORTS; i++) {
        struct port *port = daemon->node.port[i];
        bool up = port != NULL && port->ops->up(port);
        if (port != NULL && up != daemon->port_up[i])
            control_announce_port(&daemon->node, port->name, up);
        daemon->port_up[i] = up;
    }
}

static int
tick(void *context)
{
    struct daemon *daemon = context;
    struct node *node = &daemon->node;

    node->wiring_stale |= link_mark_late(node);
    rewire(node);
    eras_age(node);
    link_advance_all(node);
    span_advance(node);
    plan_advance(node);
    nf_advance_leaving(node);
    question_expire(node);
    sweep_run(daemon->sweep, node);
    watch_ports(daemon);
    sharing_look(node);
    return under_way(node) ? BUSY_MS : QUIET_MS;
}

static void
signal_ready(struct watch *watch)
{
    struct daemon *daemon = watch_owner(watch, struct daemon, signals);
    struct signalfd_siginfo information;

    if (read(watch->fd, &information, sizeof(information)) == sizeof(information))
        daemon->node.loop.stop = true;
}

static bool
watch_signals(struct daemon *daemon, struct failure *failure)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN); /* the tap driver's own signal queue can overflow into it */
    daemon->signals = (struct watch){.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK),
                                     .ready = signal_ready};
    if (daemon->signals.fd < 0)
        return fail(failure, "cannot watch signals: %s", strerror(errno));
    return loop_add(&daemon->node.loop, &daemon->signals, failure);
}

static bool
open_counters(struct node *node, struct failure *failure)
{
    struct onvm_node_counters *counters;

    if (!shared_open(&node->counters, "onvm-counters", sizeof(struct onvm_node_counters),
                     SHARED_READ_ONLY, failure))
        return false;
    counters = node_counters(node);
    counters->magic = ONVM_COUNTERS_MAGIC;
    counters->abi = ONVM_ABI_VERSION;
    counters->workers = node->workers;
    return true;
}

static bool
open_latency(struct node *node, struct failure *failure)
{
    struct onvm_node_latency *latency;

    if (!shared_open(&node->latency, "onvm-latency", sizeof(struct onvm_node_latency),
                     SHARED_READ_ONLY, failure))
        return false;
    latency = node->latency.base;
    latency->magic = ONVM_LATENCY_MAGIC;
    latency->abi = ONVM_ABI_VERSION;
    latency->workers = node->workers;
    for (unsigned i = 0; i < node->workers; i++)
        node->worker[i].latency.histograms = &latency->worker[i];
    return true;
}

/* On a machine with one socket nothing has to be placed. */
static void
find_sockets(struct node *node)
{
    const struct options *options = &node->options;
    bool several = topology_sockets(options->topology) > 1;

    for (unsigned i = 0; i < node->workers; i++)
        node->socket[i] = several ? topology_of_cpu(options->topology, options->core[i])
                                  : TOPOLOGY_UNKNOWN;
}

static bool
open_region(struct node *node, struct failure *failure)
{
    const struct options *options = &node->options;
    struct region_layout layout = {
        .slices = node->workers,
        .buffers = options->buffers / node->workers,
        .stride = options->buffer_size,
        .hugepages = node->hugepages,
    };

    for (unsigned i = 0; i < node->workers; i++)
        layout.socket[i] = node->socket[i];
    return region_open(&node->region, &layout, failure);
}

static bool
open_workers(struct node *node, struct failure *failure)
{
    const struct options *options = &node->options;

    for (unsigned i = 0; i < node->workers; i++)
        if (!worker_open(&node->worker[i], i, &node->region, &node_counters(node)->worker[i],
                         options->flows, options->poll, failure))
            return false;
    return worker_introduce(node->worker, node->workers, failure);
}

/* Everything that can fail, in the order in which each needs the one before. */
static bool
start(struct daemon *daemon, struct failure *failure)
{
    struct node *node = &daemon->node;
    const struct options *options = &node->options;

    node->workers = options->workers;
    find_sockets(node);
    if (!loop_open(&node->loop, failure) || !watch_signals(daemon, failure) ||
        !control_open(node, failure) || !eal_start(options, &node->hugepages, failure) ||
        !open_region(node, failure) || !open_counters(node, failure) ||
        !open_latency(node, failure))
        return false;
    daemon->sweep = sweep_new(node->region.indices, failure);
    if (daemon->sweep == NULL || !open_workers(node, failure))
        return false;
    eras_open(node);
    return true;
}

static void
end_nfs(struct node *node)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        if (node->nf[i] == NULL)
            continue;
        session_end(node->nf[i], "the data plane ended");
        session_unlisten(node->nf[i]);
    }
}

static void
close_ports(struct node *node)
{
    for (unsigned i = 0; i < ONVM_MAX_PORTS; i++)
        if (node->port[i] != NULL)
            port_close(node->port[i]);
}

static void
serve(struct daemon *daemon)
{
    struct node *node = &daemon->node;

    for (unsigned i = 0; i < node->workers; i++)
        rte_eal_remote_launch(worker_main, &node->worker[i], EAL_WORKER + i);
    printf("onvm-dataplane: ready at %s on %s pages\n", node->options.run_dir,
           node->hugepages ? "huge" : "ordinary");
    fflush(stdout);
    loop_run(&node->loop, tick, daemon);
    end_nfs(node);
    for (unsigned i = 0; i < node->workers; i++)
        worker_stop(&node->worker[i]);
    rte_eal_mp_wait_lcore();
    close_ports(node);
}

int
main(int argc, char **argv)
{
    static struct daemon daemon; /* zeroed, and too large for the stack */
    struct failure failure;
    bool started;

    switch (options_parse(&daemon.node.options, argc, argv, &failure)) {
    case OPTIONS_DONE:
        return EXIT_SUCCESS;
    case OPTIONS_WRONG:
        fprintf(stderr, "onvm-dataplane: %s\n", failure.text);
        return 2;
    case OPTIONS_RUN:
        break;
    }
    started = start(&daemon, &failure);
    if (started)
        serve(&daemon);
    else
        fprintf(stderr, "onvm-dataplane: %s\n", failure.text);
    control_close(&daemon.node);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: a thread that touches packets.
 *
 * There is one for each core that the data plane was given.  Each has a slice of the
 * packet region with its ledger, a queue of every port, a flow table, an edge to
 * every NF that begins a chain and a home edge from every NF, a doorbell and
 * counters: no two workers write to the same memory.  A packet belongs to the worker
 * that received it: its buffer is of that worker's slice, so NFs send it home to
 * that worker, who sends it by its own queue of the egress port.  What one has
 * learnt and all must know goes by mailboxes (news.h).
 *
 * It takes frames from ports, classifies them and puts descriptors into the input
 * edges of NFs (ingress.c); it takes descriptors from the home edges of NFs, checks
 * each against the ledger and sends or frees its buffer (egress.c, homecoming.c).  When
 * there is nothing to do it spins, yields, then sleeps until a port or a doorbell wakes it.
 *
 * Everything in struct worker belongs to the worker's thread.  The control thread
 * changes it only through worker_call, which runs a function on the worker between
 * two bursts: so the path needs no lock, and each call sees and leaves a
 * consistent state.  Such functions swap pointers and counters; they do not wait.
 */
#ifndef ONVM_DATAPLANE_WORKER_H
#define ONVM_DATAPLANE_WORKER_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/counters.h"
#include "../protocol/doorbell.h"
#include "../protocol/edge.h"
#include "classifier.h"
#include "failure.h"
#include "latency.h"
#include "ledger.h"
#include "news.h"
#include "port.h"
#include "pressure.h"
#include "region.h"
#include "shared.h"
#include "span_path.h"

#define WORKER_NO_NF 0xffffu

/* A chain as the path needs it. */
struct path {
    bool live;
    bool shedding;           /* an instance on its way is congested (pressure.h) */
    uint8_t hops;
    uint8_t egress;          /* port id */
    bool exits;              /* it leaves by a link, as the worker's `exit` says */
    uint16_t detour;         /* spread that says where its packets go; 0: into it (ways.h) */
    uint16_t return_lineage; /* of the chain of return traffic; 0: there is none */
    uint64_t in_flight;      /* its buffers that are out */
    uint64_t limit;          /* of them, as set by pressure_look */
    uint16_t service[ONVM_MAX_HOPS];
    uint32_t busy_at; /* 1 + when it last was seen to have packets on the way, of `now`; 0: never */
};

/* The edge into one NF. */
struct outlet {
    struct onvm_producer producer; /* producer.edge == NULL: closed */
    struct onvm_doorbell *doorbell;
    uint32_t room; /* descriptors that still fit in this burst */
    bool touched;  /* in this burst */
    bool unrung;   /* published to, and its doorbell not rung yet */
};

/* The home edge of one NF. */
struct inlet {
    struct onvm_consumer consumer;
    uint16_t nf;
};

/* What a packet brings along to the end of its chain. */
struct leaving {
    uint32_t flow;
    uint8_t flags; /* of its descriptor, or that it would have */
    uint8_t ttl;   /* as in its classification */
};

struct batch {
    uint16_t count;
    struct rte_mbuf *frames[ONVM_BURST];
};

struct worker_call;

struct worker {
    ONVM_PAGE_ALIGNED unsigned number; /* of its slice, its queues and its home edges */
    struct region *region;
    struct rte_mempool *pool; /* of its slice */
    struct onvm_worker_counters *counters;
    struct classifier *classifier;
    struct ledger ledger;
    struct latency latency;
    struct pressure pressure;
    struct news news;
    bool poll;            /* never sleeps */
    bool shares_cpu;      /* with NFs (sharing.h); stored by the control thread */
    uint64_t chain_limit; /* buffers that one chain may have out: it must not starve the others */

    uint64_t cycles_per_ms;
    uint64_t started_at; /* TSC */
    uint64_t tick_at;
    uint64_t turn_at; /* TSC when this turn of the loop began */
    uint32_t now;     /* milliseconds since the worker started */

    unsigned ports; /* in `port_list` */
    unsigned first_port; /* in `port_list`: where the next turn begins */
    uint64_t dropped;   /* frames and packets so far, for any reason */
    uint64_t useful_at; /* TSC when a turn last did more than to drop what it received */
    bool watching; /* ports make their wait_fd readable when frames come */
    long poll_ns; /* the next sleep, while a port must be polled */
    uint8_t port_list[ONVM_MAX_PORTS];
    struct port_queue *queue[ONVM_MAX_PORTS]; /* its own, by port; NULL: there is no such port */
    struct batch batch[ONVM_MAX_PORTS];

    unsigned inlets;
    struct inlet inlet[ONVM_MAX_NFS];

    unsigned touched; /* outlets in `touched_list` */
    uint16_t touched_list[ONVM_MAX_NFS];
    unsigned unrung; /* in `unrung_list` */
    uint16_t unrung_list[ONVM_MAX_NFS];
    struct outlet outlet[ONVM_MAX_NFS];
    /* By service and onvm_table_place: NF id, or WORKER_NO_NF.  The control thread stores to it
     * at any time, but names only NFs whose outlet is open. */
    uint16_t (*entrance)[ONVM_ERAS * ONVM_BUCKETS];

    struct path path[ONVM_MAX_CHAINS];
    struct exit exit[ONVM_MAX_CHAINS];
    const uint16_t *spread[ONVM_MAX_CHAINS]; /* lane by bucket; the control thread's */
    struct span_ends spans;

    struct shared doorbell_memory;
    struct onvm_doorbell *doorbell;
    int eventfd;
    int epoll;
    struct worker_call *call; /* posted by the control thread */
    bool stop;
};

/* `flows`: entries of its flow table; `poll`: it never sleeps. */
bool worker_open(struct worker *worker, unsigned number, struct region *region,
                 struct onvm_worker_counters *counters, uint32_t flows, bool poll,
                 struct failure *failure);

/* Lets workers that were opened tell each other news; before their threads start. */
bool worker_introduce(struct worker *workers, unsigned count, struct failure *failure);

/* The thread's body: returns after worker_stop. */
int worker_main(void *worker);

/* Runs `function` on the worker between two bursts, and returns when it has run. */
void worker_call(struct worker *worker, void (*function)(struct worker *, void *), void *argument);

void worker_stop(struct worker *worker);

/* What no packet needs: once a millisecond, and before a long sleep. */
void worker_tick(struct worker *worker);

/* Releases what worker_open made; the thread has ended. */
void worker_close(struct worker *worker);

/* Ports, by worker_call's argument: struct port *. */
void worker_add_port(struct worker *worker, void *port);
void worker_remove_port(struct worker *worker, void *port);

/* The path's steps; each returns the packets that it moved. */
unsigned ingress_turn(struct worker *worker);
unsigned egress_turn(struct worker *worker);

/* Enters a traced packet that the worker made, as if it came by the port; no lane is chosen. */
void ingress_probe(struct worker *worker, const struct port *port, struct rte_mbuf *frame,
                   const struct classification *result);

/* Rings the doorbells for what ingress_turn published, best a while later (doorbell.h). */
void ingress_ring(struct worker *worker);

/* Takes everything out of one home edge, now. */
void egress_drain(struct worker *worker, struct inlet *inlet);

/*
 * Sends a frame on from the end of its chain: by a link, or by a port, where the way back of
 * its flow is learnt.
 */
void egress_leave(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
                  struct leaving leaving);

/* Why a frame cannot leave by a port; ONVM_DROP_REASON_COUNT: it can. */
enum onvm_drop_reason egress_obstacle(const struct worker *worker, uint8_t port,
                                      const struct rte_mbuf *frame);

/* Queues a frame for a port; flushed by egress_flush at the end of the turn. */
void egress_frame(struct worker *worker, uint8_t port, uint16_t chain, struct rte_mbuf *frame);
void egress_flush(struct worker *worker);

/* Ends a packet that the worker owns. */
void worker_drop(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
                 enum onvm_drop_reason reason);

#endif

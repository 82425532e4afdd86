/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node as the control thread sees it: ports, services, NFs, edges, chains.
 *
 * The control thread owns all of this and is the only one to touch it; what the
 * path needs of it is copied into each struct worker by worker_call.
 */
#ifndef ONVM_DATAPLANE_NODE_H
#define ONVM_DATAPLANE_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../protocol/counters.h"
#include "../protocol/routes.h"
#include "balance.h"
#include "liveness.h"
#include "loop.h"
#include "options.h"
#include "port.h"
#include "region.h"
#include "shared.h"
#include "worker.h"

struct node;

/* To whom a late answer goes: a connection may be gone by then. */
struct asker {
    uint64_t connection; /* 0: nobody waits */
    uint32_t number;
};

struct service {
    char name[ONVM_NAME_MAX]; /* "": free */
    json_t *branches;         /* names of services; index = argument of TO */
    bool stateful;            /* its instances know their flows, which therefore stay */
};

enum nf_state {
    NF_EXPECTED, /* its socket listens */
    NF_ATTACHED, /* said HELLO, is being configured */
    NF_RUNNING,
    NF_FAILED,   /* refused its configuration */
};

struct nf {
    struct node *node;
    char name[ONVM_NAME_MAX];
    char group[ONVM_NAME_MAX]; /* NFs of one process; "": it has its own */
    uint16_t id;
    uint16_t service;
    uint32_t seed; /* of its group or name: members of a group serve the same flows */
    enum nf_state state;
    uint32_t weight; /* its share of new flows among its service's instances */
    bool ready;   /* its routes are complete, so others may send to it */
    bool joined;  /* and those who send to its service can reach it */
    bool leaving; /* nf.forget: gets no new packets, then STOP */
    bool stopping; /* it was told STOP */
    uint64_t leave_by;
    struct asker forgetter;
    json_t *parameters;
    bool dedicated; /* has a core of its own */
    struct watch listener;

    /* A session's; valid from NF_ATTACHED on. */
    struct watch session;
    pid_t pid;
    char module[ONVM_NAME_MAX];
    struct shared doorbell, routes, counters, latency;
    struct shared home[ONVM_MAX_WORKERS]; /* by worker */
    bool slot_used[2][ONVM_MAX_EDGES]; /* by onvm_edge_role IN, OUT */
};

struct chain {
    uint16_t id;
    uint16_t lineage; /* names the chain and its direction over all its versions */
    char name[ONVM_NAME_MAX];
    bool reverse; /* it is named in another chain's "reverse" */
    bool draining;
    unsigned hops;
    uint16_t service[ONVM_MAX_HOPS];
    uint8_t egress;
    uint16_t reverse_id; /* chain of return traffic, or 0 */
    char returns[ONVM_NAME_MAX]; /* or its name, where it is written as a chain of its own */
    bool exits;                  /* it leaves by a link to another node */
    struct exit exit;
    json_t *text;        /* as it came in the plan */
};

/* Of which eras flows may still be (eras.c). */
struct eras {
    bool vacant[ONVM_ERAS];
    bool quiet[ONVM_ERAS]; /* its last flow was seen to be gone, but maybe not all its packets */
    uint32_t quiet_at[ONVM_ERAS][ONVM_MAX_WORKERS]; /* when, by each worker's clock */
    uint8_t told;                 /* the era that the workers begin flows in */
    enum flow_need need[ONVM_MAX_CHAINS]; /* as the workers know them */
    /* By worker: worker.h */
    uint16_t entrance[ONVM_MAX_WORKERS][ONVM_MAX_SERVICES][ONVM_ERAS * ONVM_BUCKETS];
};

/* What comes by a link and which chain takes it. */
struct arrival {
    struct arrival_key key;
    uint16_t chain;
};

struct link;
struct plan;
struct span;
struct spread;
struct control;
struct question;

struct node {
    struct options options;
    bool hugepages;
    struct loop loop;
    struct region region;
    struct shared counters, latency;
    unsigned workers;
    int socket[ONVM_MAX_WORKERS]; /* of each worker; -1: it does not matter here */
    struct worker worker[ONVM_MAX_WORKERS];
    struct port *port[ONVM_MAX_PORTS];
    struct service service[ONVM_MAX_SERVICES];
    struct nf *nf[ONVM_MAX_NFS];
    struct chain *chain[ONVM_MAX_CHAINS];
    struct ruleset *rules; /* that the workers read; NULL before the first plan */
    uint16_t default_chain;
    struct balance balance;
    struct eras eras;
    struct link *links;
    struct span *span[ONVM_MAX_LINKS];
    struct attention attention;
    uint64_t silent_until; /* no probe is sent before, so others go by other ways */
    struct spread *spread[ONVM_MAX_CHAINS]; /* by id, which no chain has */
    bool severed[ONVM_MAX_CHAINS]; /* when ways were given (ways.c) */
    unsigned arrivals;
    struct arrival *arrival;
    struct arrivals *arrival_table; /* the workers read it */
    struct pressure_edges *watched; /* by the worker (congestion.c) */
    bool wiring_stale;        /* acknowledgements came in since wiring_refresh */
    uint64_t wired_at;
    struct plan *plan;          /* one that waits for its edges */
    struct question *questions; /* to NFs, not answered yet */
    struct control *control;
};

static inline struct onvm_node_counters *
node_counters(struct node *node)
{
    return node->counters.base;
}

/* Runs `function` on every worker, on one after the other. */
void node_call(struct node *node, void (*function)(struct worker *, void *), void *argument);

/* Packets of a chain that are on their way, whichever worker received them. */
uint64_t node_in_flight(const struct node *node, uint16_t chain);

/* Whether the port's device is on another socket than every worker: all it moves crosses over. */
bool node_port_is_remote(const struct node *node, const struct port *port);

/* Milliseconds of a clock that never goes back. */
uint64_t node_clock(void);

/* The port's id, or ONVM_MAX_PORTS. */
uint8_t node_port(const struct node *node, const char *name);

struct nf *node_nf(const struct node *node, const char *name);

/* The service of that name, made when it is new; ONVM_MAX_SERVICES: no room. */
uint16_t node_service(struct node *node, const char *name);

/* Frees the numbers of services that no chain, NF or branch names; not while a plan is pending. */
void node_release_services(struct node *node);

/* Whether the text may be a name: 1 to 31 of [a-z0-9_-.], the first alphanumeric. */
bool node_name_valid(const char *name);

#endif

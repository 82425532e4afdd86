/* SPDX-License-Identifier: BSD-3-Clause */
#include "wiring.h"

#include <rte_log.h>
#include <string.h>

#include "link.h"
#include "rendezvous.h"

#define WORKER_ROW ONVM_MAX_SERVICES

/* needs.edge[a][b]: instances of a send to instances of b.  The last row is the worker's. */
struct needs {
    bool edge[ONVM_MAX_SERVICES + 1][ONVM_MAX_SERVICES];
};

/* The service that a branch names; ONVM_MAX_SERVICES: nobody offers it. */
static uint16_t
branch_service(struct node *node, uint16_t service, size_t branch)
{
    const char *name = json_string_value(json_array_get(node->service[service].branches, branch));

    return name != NULL ? node_service(node, name) : ONVM_MAX_SERVICES;
}

/* Marks whoever may handle a hop: its service, and the branches that stand in behind it. */
static void
mark_hop(struct node *node, uint16_t service, bool *at_hop)
{
    at_hop[service] = true;
    for (size_t i = 0; i < json_array_size(node->service[service].branches); i++) {
        uint16_t branch = branch_service(node, service, i);
        if (branch < ONVM_MAX_SERVICES && !at_hop[branch])
            mark_hop(node, branch, at_hop);
    }
}

static void
need_branches(struct node *node, struct needs *needs, uint16_t service)
{
    for (size_t i = 0; i < json_array_size(node->service[service].branches); i++) {
        uint16_t branch = branch_service(node, service, i);
        if (branch < ONVM_MAX_SERVICES)
            needs->edge[service][branch] = true;
    }
}

static void
need_hop(struct node *node, struct needs *needs, uint16_t service, uint16_t next)
{
    bool at_hop[ONVM_MAX_SERVICES] = {false};

    mark_hop(node, service, at_hop);
    for (uint16_t i = 0; i < ONVM_MAX_SERVICES; i++) {
        if (!at_hop[i])
            continue;
        need_branches(node, needs, i);
        if (next < ONVM_MAX_SERVICES)
            needs->edge[i][next] = true;
    }
}

static uint16_t
next_service(const struct chain *chain, unsigned hop)
{
    return hop + 1 < chain->hops ? chain->service[hop + 1] : ONVM_MAX_SERVICES;
}

static void
find_needs(struct node *node, struct needs *needs)
{
    memset(needs, 0, sizeof(*needs));
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++) {
        const struct chain *chain = node->chain[i];
        if (chain == NULL)
            continue;
        if (chain->hops > 0)
            needs->edge[WORKER_ROW][chain->service[0]] = true;
        for (unsigned hop = 0; hop < chain->hops; hop++)
            need_hop(node, needs, chain->service[hop], next_service(chain, hop));
    }
}

static bool
receives(const struct nf *nf)
{
    return nf != NULL && nf->state == NF_RUNNING && !nf->leaving;
}

/* An NF that leaves still sends on what it has. */
static bool
sends(const struct nf *nf)
{
    return nf != NULL && nf->state == NF_RUNNING;
}

static bool
needed(const struct needs *needs, const struct nf *from, const struct nf *to)
{
    unsigned row = from != NULL ? from->service : WORKER_ROW;

    return needs->edge[row][to->service] && from != to;
}

static void
open_missing_from(struct node *node, const struct needs *needs, struct nf *from)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct nf *to = node->nf[i];
        struct failure failure;
        if (!receives(to) || !needed(needs, from, to) || link_find(node, from, to) != NULL)
            continue;
        if (link_open(node, from, to, &failure) == NULL)
            RTE_LOG(ERR, USER1, "no edge from %s to %s: %s\n", from ? from->name : "the worker",
                    to->name, failure.text);
    }
}

static void
open_missing(struct node *node, const struct needs *needs)
{
    open_missing_from(node, needs, NULL);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]))
            open_missing_from(node, needs, node->nf[i]);
}

static void
unwant_needless(struct node *node, const struct needs *needs)
{
    for (struct link *link = node->links; link != NULL; link = link->next)
        if (link->wanted)
            link->wanted = receives(link->to) && needed(needs, link->from, link->to);
}

/* Whether edges from the NF to the service are on their way, and none is open yet. */
static bool
waits_for(const struct node *node, const struct nf *nf, uint16_t service)
{
    bool opening = false;

    for (const struct link *link = node->links; link != NULL; link = link->next) {
        if (!link->wanted || link->from != nf || link->to->service != service)
            continue;
        if (link_usable(link))
            return false;
        opening = true;
    }
    return opening;
}

/* Whether the NF could pass on what it got. */
static bool
can_serve(const struct node *node, const struct needs *needs, const struct nf *nf)
{
    if (!receives(nf))
        return false;
    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++)
        if (needs->edge[nf->service][service] && waits_for(node, nf, service))
            return false;
    return true;
}

/* Instances of a service that `from` can reach now, with their edges. */
struct reach {
    unsigned count;
    uint32_t seed[ONVM_MAX_NFS];
    uint16_t edge[ONVM_MAX_NFS]; /* out slot; for the worker the NF's id */
};

static void
find_reach(const struct node *node, const struct nf *from, uint16_t service, struct reach *reach)
{
    reach->count = 0;
    for (const struct link *link = node->links; link != NULL; link = link->next) {
        if (!link_usable(link) || link->from != from || link->to->service != service ||
            (!link->to->ready && (from == NULL || from->ready)))
            continue;
        reach->seed[reach->count] = link->to->seed;
        reach->edge[reach->count++] = from != NULL ? link->out_slot : link->to_id;
    }
}

static void
fill_table(const struct reach *reach, uint16_t none, uint16_t *table)
{
    for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++) {
        uint16_t edge = none;
        if (reach->count > 0)
            edge = reach->edge[rendezvous(bucket, reach->seed, reach->count)];
        __atomic_store_n(&table[bucket], edge, __ATOMIC_RELEASE);
    }
}

static struct onvm_route
route_after(const struct chain *chain, unsigned hop)
{
    if (hop + 1 == chain->hops)
        return (struct onvm_route){ONVM_ROUTE_HOME, 0};
    return (struct onvm_route){ONVM_ROUTE_TABLE, chain->service[hop + 1]};
}

/* Whether the NF's service handles this hop itself or as a branch of the one that does. */
static bool
handles(struct node *node, uint16_t at, uint16_t service)
{
    bool at_hop[ONVM_MAX_SERVICES] = {false};

    if (at == service || json_array_size(node->service[at].branches) == 0)
        return at == service;
    mark_hop(node, at, at_hop);
    return at_hop[service];
}

static void
write_hops(struct node *node, const struct nf *nf, struct onvm_routes *routes)
{
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct chain *chain = node->chain[id];
        for (unsigned hop = 0; chain != NULL && hop < chain->hops; hop++)
            if (handles(node, chain->service[hop], nf->service))
                onvm_route_store(&routes->next[id][hop], route_after(chain, hop));
    }
}

static void
write_branches(struct node *node, const struct nf *nf, struct onvm_routes *routes)
{
    for (size_t i = 0; i < ONVM_MAX_BRANCHES; i++) {
        uint16_t branch = branch_service(node, nf->service, i);
        struct onvm_route route = {ONVM_ROUTE_NONE, 0};
        if (branch < ONVM_MAX_SERVICES)
            route = (struct onvm_route){ONVM_ROUTE_TABLE, branch};
        onvm_route_store(&routes->branch[i], route);
    }
}

static void
write_routes(struct node *node, const struct needs *needs, const struct nf *nf)
{
    struct onvm_routes *routes = nf->routes.base;
    struct reach reach;

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++) {
        if (!needs->edge[nf->service][service])
            continue;
        find_reach(node, nf, service, &reach);
        fill_table(&reach, ONVM_NO_EDGE, routes->table[service]);
    }
    write_hops(node, nf, routes);
    write_branches(node, nf, routes);
}

struct buckets {
    uint16_t service;
    uint16_t table[ONVM_BUCKETS];
};

static void
set_buckets(struct worker *worker, void *argument)
{
    const struct buckets *buckets = argument;

    memcpy(worker->bucket[buckets->service], buckets->table, sizeof(buckets->table));
}

static void
write_worker_buckets(struct node *node)
{
    struct reach reach;
    struct buckets buckets;

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++) {
        if (node->service[service].name[0] == '\0')
            continue;
        find_reach(node, NULL, service, &reach);
        buckets.service = service;
        fill_table(&reach, WORKER_NO_NF, buckets.table);
        if (memcmp(buckets.table, node->worker.bucket[service], sizeof(buckets.table)) != 0)
            worker_call(&node->worker, set_buckets, &buckets);
    }
}

/*
 * An NF is ready when its own routes are complete; only then do others send to it.
 * It stays so: a chain that needs more of it takes no packet before its edges are open.
 * While it is not, its routes may lead to NFs that are not ready either, for
 * nothing takes them yet: so those of a chain become ready together, and a chain
 * that comes back to an NF needs no order among them.
 */
static void
write_all_routes(struct node *node, const struct needs *needs)
{
    bool serves[ONVM_MAX_NFS];

    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct nf *nf = node->nf[i];
        if (nf != NULL)
            nf->ready = nf->ready && receives(nf);
        serves[i] = can_serve(node, needs, nf);
    }
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]) && !node->nf[i]->ready)
            write_routes(node, needs, node->nf[i]);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (serves[i])
            node->nf[i]->ready = true;
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]))
            write_routes(node, needs, node->nf[i]);
    write_worker_buckets(node);
}

void
wiring_refresh(struct node *node)
{
    struct needs needs;

    find_needs(node, &needs);
    unwant_needless(node, &needs);
    open_missing(node, &needs);
    write_all_routes(node, &needs);
    link_advance_all(node);
}

bool
wiring_settled(const struct node *node)
{
    for (const struct link *link = node->links; link != NULL; link = link->next)
        if (link->wanted && !link_usable(link))
            return false;
    return true;
}

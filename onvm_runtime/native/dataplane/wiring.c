/* SPDX-License-Identifier: BSD-3-Clause */
#include "wiring.h"

#include <rte_log.h>
#include <string.h>

#include "congestion.h"
#include "eras.h"
#include "link.h"
#include "rendezvous.h"

#define WORKER_ROW ONVM_MAX_SERVICES
#define NOWHERE 0xffffu

_Static_assert(NOWHERE == ONVM_NO_EDGE && NOWHERE == WORKER_NO_NF, "a table is filled for both");

/* needs.edge[a][b]: instances of a send to instances of b.  The last row is the workers'. */
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
open_link(struct node *node, struct producer from, struct nf *to)
{
    struct failure failure;

    if (link_open(node, from, to, &failure) != NULL)
        return;
    if (from.nf != NULL)
        RTE_LOG(ERR, USER1, "no edge from %s to %s: %s\n", from.nf->name, to->name, failure.text);
    else
        RTE_LOG(ERR, USER1, "no edge from worker %u to %s: %s\n", from.worker, to->name,
                failure.text);
}

static void
open_missing_from(struct node *node, const struct needs *needs, struct producer from)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct nf *to = node->nf[i];
        if (receives(to) && needed(needs, from.nf, to) && link_find(node, from, to) == NULL)
            open_link(node, from, to);
    }
}

static void
open_missing(struct node *node, const struct needs *needs)
{
    for (unsigned i = 0; i < node->workers; i++)
        open_missing_from(node, needs, (struct producer){.worker = i});
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]))
            open_missing_from(node, needs, (struct producer){.nf = node->nf[i]});
}

static void
unwant_needless(struct node *node, const struct needs *needs)
{
    for (struct link *link = node->links; link != NULL; link = link->next)
        if (link->wanted)
            link->wanted = receives(link->to) && needed(needs, link->from, link->to);
}

/*
 * Whether edges from the NF to the service are on their way, and none is open yet, or
 * one of them is that to an instance which serves.
 */
static bool
waits_for(const struct node *node, const struct nf *nf, uint16_t service)
{
    bool usable = false, opening = false, serving = false;

    for (const struct link *link = node->links; link != NULL; link = link->next) {
        if (!link->wanted || link->from != nf || link->to->service != service)
            continue;
        usable |= link_usable(link);
        opening |= !link_usable(link);
        serving |= link_opening(link) && link->to->joined;
    }
    return serving || (opening && !usable);
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
    uint16_t edge[ONVM_MAX_NFS]; /* out slot; for a worker the NF's id */
    uint16_t edge_to[ONVM_MAX_NFS]; /* the same by the instance's id; NOWHERE: out of reach */
};

static void
find_reach(const struct node *node, struct producer from, uint16_t service, struct reach *reach)
{
    reach->count = 0;
    memset(reach->edge_to, 0xff, sizeof(reach->edge_to));
    for (const struct link *link = node->links; link != NULL; link = link->next) {
        if (!link_usable(link) || !link_comes_from(link, from) || link->to->service != service ||
            (!link->to->ready && (from.nf == NULL || from.nf->ready)))
            continue;
        reach->seed[reach->count] = link->to->seed;
        reach->edge_to[link->to_id] = from.nf != NULL ? link->out_slot : link->to_id;
        reach->edge[reach->count++] = reach->edge_to[link->to_id];
    }
}

/* The edge to whoever serves a bucket; while that one is out of reach, to another. */
static uint16_t
edge_for(const struct reach *reach, uint16_t instance, uint32_t bucket)
{
    if (instance >= ONVM_MAX_NFS)
        return NOWHERE;
    if (reach->edge_to[instance] != NOWHERE || reach->count == 0)
        return reach->edge_to[instance];
    return reach->edge[rendezvous(bucket, reach->seed, reach->count)];
}

static void
fill_table(const struct node *node, uint16_t service, const struct reach *reach, uint16_t *table)
{
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++) {
            uint16_t instance = balance_instance(&node->balance, service, era, bucket);
            uint16_t edge = edge_for(reach, instance, bucket);
            __atomic_store_n(&table[era * ONVM_BUCKETS + bucket], edge, __ATOMIC_RELEASE);
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

bool
wiring_passes(struct node *node, const struct chain *chain, uint16_t service)
{
    for (unsigned hop = 0; hop < chain->hops; hop++)
        if (handles(node, chain->service[hop], service))
            return true;
    return false;
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
write_routes(struct node *node, const struct needs *needs, struct nf *nf)
{
    struct onvm_routes *routes = nf->routes.base;
    struct reach reach;

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++) {
        if (!needs->edge[nf->service][service])
            continue;
        find_reach(node, (struct producer){.nf = nf}, service, &reach);
        fill_table(node, service, &reach, routes->table[service]);
    }
    write_hops(node, nf, routes);
    write_branches(node, nf, routes);
}

static void
write_entrances(struct node *node, unsigned worker)
{
    struct reach reach;

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++) {
        if (node->service[service].name[0] == '\0')
            continue;
        find_reach(node, (struct producer){.worker = worker}, service, &reach);
        fill_table(node, service, &reach, node->eras.entrance[worker][service]);
    }
}

/* Whether anybody serves the service that the NF belongs to. */
static bool
served(const struct node *node, const struct nf *nf)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->service == nf->service && node->nf[i]->joined)
            return true;
    return false;
}

/* Whether somebody who may send to the NF cannot reach it yet. */
static bool
awaited(const struct node *node, const struct nf *nf)
{
    for (const struct link *link = node->links; link != NULL; link = link->next)
        if (link->to == nf && link_opening(link) && (link->from == NULL || link->from->ready))
            return true;
    return false;
}

/*
 * An instance joins its service when it is ready and all can reach it: they have to
 * agree on who serves a flow.  Where nobody serves, there is nothing to agree on.
 */
static void
join(struct node *node, const bool *ready)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct nf *nf = node->nf[i];
        if (nf == NULL)
            continue;
        nf->joined = nf->joined && receives(nf);
    }
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct nf *nf = node->nf[i];
        if (nf != NULL && (nf->ready || ready[i]) && !nf->joined)
            nf->joined = !served(node, nf) || !awaited(node, nf);
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
    join(node, serves);
    eras_refresh(node);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]) && !node->nf[i]->ready)
            write_routes(node, needs, node->nf[i]);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (serves[i])
            node->nf[i]->ready = true;
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (sends(node->nf[i]))
            write_routes(node, needs, node->nf[i]);
    for (unsigned i = 0; i < node->workers; i++)
        write_entrances(node, i);
    eras_begin(node);
}

void
wiring_refresh(struct node *node)
{
    struct needs needs;

    find_needs(node, &needs);
    unwant_needless(node, &needs);
    open_missing(node, &needs);
    write_all_routes(node, &needs);
    congestion_watch(node);
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

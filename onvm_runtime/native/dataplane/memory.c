/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <string.h>

#include "../protocol/histogram.h"

#define HOME_SLOTS 8192

static void
add_inlet(struct worker *worker, void *argument)
{
    const struct nf *nf = argument;
    struct inlet *inlet = &worker->inlet[worker->inlets++];

    inlet->nf = nf->id;
    onvm_consumer_open(&inlet->consumer, nf->home[worker->number].base, HOME_SLOTS);
}

static void
remove_inlet(struct worker *worker, void *argument)
{
    const struct nf *nf = argument;

    for (unsigned i = 0; i < worker->inlets; i++) {
        if (worker->inlet[i].nf != nf->id)
            continue;
        egress_drain(worker, &worker->inlet[i]);
        worker->inlet[i] = worker->inlet[--worker->inlets];
        return;
    }
}

static void
stamp(struct nf *nf)
{
    struct onvm_nf_counters *counters = nf->counters.base;
    struct onvm_nf_latency *latency = nf->latency.base;

    counters->magic = ONVM_COUNTERS_MAGIC;
    counters->abi = ONVM_ABI_VERSION;
    latency->magic = ONVM_LATENCY_MAGIC;
    latency->abi = ONVM_ABI_VERSION;
}

static void
release(struct nf *nf)
{
    shared_close(&nf->doorbell);
    shared_close(&nf->routes);
    shared_close(&nf->counters);
    shared_close(&nf->latency);
    for (unsigned i = 0; i < nf->node->workers; i++)
        shared_close(&nf->home[i]);
}

static bool
open_homes(struct nf *nf, struct failure *failure)
{
    for (unsigned i = 0; i < nf->node->workers; i++) {
        struct onvm_edge *edge;

        if (!shared_open(&nf->home[i], "onvm-home", onvm_edge_size(HOME_SLOTS), SHARED_BY_BOTH,
                         failure))
            return false;
        edge = nf->home[i].base;
        edge->magic = ONVM_EDGE_MAGIC;
        edge->slots = HOME_SLOTS;
    }
    return true;
}

/* Another NF of the process that the NF is said to be in; NULL: none is attached. */
static const struct nf *
attached_mate(const struct nf *nf)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        const struct nf *other = nf->node->nf[i];
        if (other != NULL && other != nf && nf->group[0] != '\0' &&
            strcmp(other->group, nf->group) == 0 && other->state != NF_EXPECTED)
            return other;
    }
    return NULL;
}

/* A process sleeps once for all of its NFs, so they have one doorbell. */
static bool
open_doorbell(struct nf *nf, struct failure *failure)
{
    const struct nf *mate = attached_mate(nf);

    if (mate != NULL)
        return shared_again(&nf->doorbell, &mate->doorbell, failure);
    return shared_open(&nf->doorbell, "onvm-doorbell", sizeof(struct onvm_doorbell),
                       SHARED_BY_BOTH, failure);
}

bool
memory_open(struct nf *nf, struct failure *failure)
{
    memset(nf->slot_used, 0, sizeof(nf->slot_used));
    if (!open_doorbell(nf, failure) ||
        !shared_open(&nf->routes, "onvm-routes", sizeof(struct onvm_routes), SHARED_READ_ONLY,
                     failure) ||
        !shared_open(&nf->counters, "onvm-counters", sizeof(struct onvm_nf_counters),
                     SHARED_BY_BOTH, failure) ||
        !shared_open(&nf->latency, "onvm-latency", sizeof(struct onvm_nf_latency),
                     SHARED_BY_BOTH, failure) ||
        !open_homes(nf, failure)) {
        release(nf);
        return false;
    }
    stamp(nf);
    node_call(nf->node, add_inlet, nf);
    return true;
}

void
memory_close(struct nf *nf)
{
    node_call(nf->node, remove_inlet, nf);
    release(nf);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"

#include <string.h>

#include "classifier.h"
#include "control.h"
#include "plan_links.h"
#include "plan_reading.h"
#include "span.h"
#include "wiring.h"

#define PATIENCE_MS 1000

struct path_change {
    uint16_t id;
    struct path path;
    struct exit exit;
};

static void
set_path(struct worker *worker, void *argument)
{
    const struct path_change *change = argument;

    worker->path[change->id] = change->path;
    worker->exit[change->id] = change->exit;
    pressure_note_path(worker, change->id);
}

static uint16_t
lineage_named(const struct node *node, const char *name)
{
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (node->chain[i] != NULL && strcmp(node->chain[i]->name, name) == 0)
            return node->chain[i]->lineage;
    return 0;
}

static uint16_t
return_lineage(const struct node *node, const struct chain *chain)
{
    const struct chain *reverse = node->chain[chain->reverse_id];

    if (chain->returns[0] != '\0')
        return lineage_named(node, chain->returns);
    /* What passes a wire comes back as it went; the rules know it. */
    return chain->reverse_id != 0 && reverse != NULL && chain->hops > 0 ? reverse->lineage : 0;
}

static void
install_path(struct node *node, const struct chain *chain)
{
    struct path_change change = {
        .id = chain->id,
        .path = {.live = true,
                 .hops = (uint8_t)chain->hops,
                 .egress = chain->egress,
                 .exits = chain->exits,
                 .return_lineage = return_lineage(node, chain)},
        .exit = chain->exit,
    };

    memcpy(change.path.service, chain->service, sizeof(change.path.service));
    node_call(node, set_path, &change);
}

static void
install_chains(struct node *node, struct plan *plan)
{
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++)
        if (plan->chain[id] != NULL)
            node->chain[id] = plan->chain[id];
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        if (plan->chain[id] != NULL)
            install_path(node, plan->chain[id]);
        plan->chain[id] = NULL;
    }
}

bool
plan_begin(struct node *node, json_t *request, struct asker asker, struct failure *failure)
{
    struct plan *plan;

    if (node->plan != NULL)
        return fail(failure, "another plan is being put into effect; try again in a second");
    plan = plan_read(node, request, failure);
    if (plan == NULL)
        return false;
    plan->asker = asker;
    plan->commit_by = node_clock() + PATIENCE_MS;
    plan_install_links(node, plan);
    install_chains(node, plan);
    node->plan = plan;
    wiring_refresh(node);
    plan_advance(node);
    return true;
}

/* What decides which chain a packet takes; a worker takes all of it between two bursts. */
struct decisions {
    struct ruleset *rules;
    const struct arrivals *arrivals;
};

static void
take_decisions(struct worker *worker, void *argument)
{
    const struct decisions *decisions = argument;

    classifier_exchange(worker->classifier, decisions->rules);
    worker->spans.arrivals = decisions->arrivals;
}

/* The node's part of them; the plan keeps the old ones, which nobody reads any more. */
static void
exchange_arrivals(struct node *node, struct plan *plan)
{
    struct arrivals *table = node->arrival_table;
    struct arrival *list = node->arrival;

    node->arrival_table = plan->arrival_table;
    node->arrival = plan->arrival;
    node->arrivals = plan->arrivals;
    plan->arrival_table = table;
    plan->arrival = list;
}

static void
commit(struct node *node)
{
    struct plan *plan = node->plan;
    struct ruleset *old = node->rules;

    struct decisions decisions = {plan->rules, plan->arrival_table};

    plan_exchange_spreads(node, plan);
    node_call(node, take_decisions, &decisions);
    node->rules = plan->rules;
    plan->rules = old; /* nobody reads them any more */
    exchange_arrivals(node, plan);
    node->default_chain = plan->default_chain;
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++)
        if (node->chain[id] != NULL)
            node->chain[id]->draining = !plan->listed[id];
    plan_retire_links(node, plan);
    control_answer(node, plan->asker, json_object(), -1);
    node->plan = NULL;
    plan_free(plan);
}

static void
clear_routes(struct node *node, uint16_t id)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        struct onvm_routes *routes = node->nf[i] != NULL ? node->nf[i]->routes.base : NULL;
        for (unsigned hop = 0; routes != NULL && hop < ONVM_MAX_HOPS; hop++)
            onvm_route_store(&routes->next[id][hop], (struct onvm_route){ONVM_ROUTE_NONE, 0});
    }
}

static void
remove_chain(struct node *node, struct chain *chain)
{
    struct path_change nothing = {.id = chain->id};

    node_call(node, set_path, &nothing);
    clear_routes(node, chain->id);
    node->chain[chain->id] = NULL;
    control_announce_chain(node, chain->id, "drained");
    chain_free(chain);
}

static bool
drained(const struct node *node, const struct chain *chain)
{
    return node_in_flight(node, chain->id) == 0;
}

static void
remove_drained(struct node *node)
{
    bool removed = false;

    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        struct chain *chain = node->chain[id];
        if (chain == NULL || !chain->draining || !drained(node, chain))
            continue;
        remove_chain(node, chain);
        removed = true;
    }
    if (removed) {
        wiring_refresh(node);
        span_remove_unused(node);
    }
}

void
plan_advance(struct node *node)
{
    if (node->plan != NULL &&
        (wiring_settled(node) || node_clock() >= node->plan->commit_by))
        commit(node);
    remove_drained(node);
}

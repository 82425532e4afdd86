/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "control.h"
#include "wiring.h"

#define PATIENCE_MS 1000

struct plan {
    struct asker asker;
    uint64_t commit_by;
    struct ruleset *rules;
    uint16_t default_chain;
    struct chain *chain[ONVM_MAX_CHAINS]; /* those that are new */
    bool listed[ONVM_MAX_CHAINS];         /* those that the plan names, new or not */
};

static void
free_chain(struct chain *chain)
{
    if (chain != NULL)
        json_decref(chain->text);
    free(chain);
}

static void
free_plan(struct plan *plan)
{
    if (plan->rules != NULL)
        ruleset_free(plan->rules);
    for (unsigned i = 0; i < ONVM_MAX_CHAINS; i++)
        free_chain(plan->chain[i]);
    free(plan);
}

static bool
read_path(struct node *node, struct chain *chain, json_t *path, struct failure *failure)
{
    json_t *item;
    size_t i;

    if (!json_is_array(path) || json_array_size(path) > ONVM_MAX_HOPS)
        return fail(failure, "chain %s: path must be a list of at most %d services", chain->name,
                    ONVM_MAX_HOPS);
    json_array_foreach(path, i, item) {
        const char *name = json_string_value(item);
        if (name == NULL || !node_name_valid(name))
            return fail(failure, "chain %s: path item %zu is not a service's name", chain->name,
                        i + 1);
        chain->service[i] = node_service(node, name);
        if (chain->service[i] == ONVM_MAX_SERVICES)
            return fail(failure, "more than %d services on this node", ONVM_MAX_SERVICES);
    }
    chain->hops = (unsigned)json_array_size(path);
    return true;
}

static bool
read_egress(const struct node *node, struct chain *chain, const char *egress,
            struct failure *failure)
{
    chain->egress = node_port(node, egress);
    if (chain->egress == ONVM_MAX_PORTS)
        return fail(failure, "chain %s: there is no egress port %s on this node", chain->name,
                    egress);
    return true;
}

/* Reads one item of "chains" into `chain`, which the caller frees. */
static bool
read_chain(struct node *node, json_t *item, struct chain *chain, struct failure *failure)
{
    json_error_t error;
    const char *name, *egress;
    json_t *path;
    int id, reverse = 0;

    if (json_unpack_ex(item, &error, JSON_STRICT, "{s:i, s:s, s:o, s:s, s?i}", "id", &id, "name",
                       &name, "path", &path, "egress", &egress, "reverse", &reverse) != 0)
        return fail(failure, "chains: %s", error.text);
    if (id < 1 || id >= ONVM_MAX_CHAINS || reverse < 0 || reverse >= ONVM_MAX_CHAINS)
        return fail(failure, "chain %s: ids are from 1 to %d", name, ONVM_MAX_CHAINS - 1);
    if (!node_name_valid(name))
        return fail(failure, "'%s' cannot be a chain's name", name);
    snprintf(chain->name, sizeof(chain->name), "%s", name);
    chain->id = (uint16_t)id;
    chain->reverse_id = (uint16_t)reverse;
    chain->text = json_incref(item);
    return read_path(node, chain, path, failure) && read_egress(node, chain, egress, failure);
}

/* Takes a chain that was read into the plan, unless the node has it already. */
static bool
take_chain(struct node *node, struct plan *plan, struct chain *chain, struct failure *failure)
{
    const struct chain *known = node->chain[chain->id];

    if (plan->listed[chain->id])
        return fail(failure, "chain id %u is used twice", chain->id);
    if (known != NULL && (known->draining || !json_equal(known->text, chain->text)))
        return fail(failure, "chain %s: id %u still belongs to another version, %s", chain->name,
                    chain->id, known->name);
    plan->listed[chain->id] = true;
    if (known != NULL)
        free_chain(chain);
    else
        plan->chain[chain->id] = chain;
    return true;
}

static bool
read_chains(struct node *node, struct plan *plan, json_t *items, struct failure *failure)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item) {
        struct chain *chain = calloc(1, sizeof(*chain));
        if (chain == NULL)
            return fail(failure, "out of memory for a chain");
        if (!read_chain(node, item, chain, failure) ||
            !take_chain(node, plan, chain, failure)) {
            free_chain(chain);
            return false;
        }
    }
    return true;
}

static struct chain *
planned(const struct node *node, const struct plan *plan, uint16_t id)
{
    if (!plan->listed[id])
        return NULL;
    return plan->chain[id] != NULL ? plan->chain[id] : node->chain[id];
}

/* Marks the chains that another names as its reverse; they must be in the plan. */
static bool
pair_chains(const struct node *node, struct plan *plan, struct failure *failure)
{
    for (uint16_t id = 1; id < ONVM_MAX_CHAINS; id++) {
        struct chain *chain = planned(node, plan, id);
        if (chain == NULL || chain->reverse_id == 0)
            continue;
        struct chain *reverse = planned(node, plan, chain->reverse_id);
        if (reverse == NULL)
            return fail(failure, "chain %s: its reverse, id %u, is not in the plan", chain->name,
                        chain->reverse_id);
        reverse->reverse = true;
    }
    return true;
}

static bool
same_lineage(const struct chain *a, const struct chain *b)
{
    return a != NULL && a->lineage != 0 && a->reverse == b->reverse && strcmp(a->name, b->name) == 0;
}

static bool
lineage_taken(const struct node *node, const struct plan *plan, uint16_t lineage)
{
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if ((node->chain[i] != NULL && node->chain[i]->lineage == lineage) ||
            (plan->chain[i] != NULL && plan->chain[i]->lineage == lineage))
            return true;
    return false;
}

/* That of an older version, else a free one: there are as many lineages as chain ids. */
static uint16_t
choose_lineage(const struct node *node, const struct plan *plan, const struct chain *chain)
{
    uint16_t lineage = 1;

    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (same_lineage(node->chain[i], chain))
            return node->chain[i]->lineage;
    while (lineage < ONVM_MAX_CHAINS - 1 && lineage_taken(node, plan, lineage))
        lineage++;
    return lineage;
}

static void
set_lineages(const struct node *node, struct plan *plan)
{
    for (uint16_t id = 1; id < ONVM_MAX_CHAINS; id++)
        if (plan->chain[id] != NULL)
            plan->chain[id]->lineage = choose_lineage(node, plan, plan->chain[id]);
    for (uint16_t id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct chain *chain = planned(node, plan, id);
        if (chain != NULL)
            ruleset_set_lineage(plan->rules, chain->lineage, id);
    }
}

static uint8_t
port_by_name(const void *context, const char *name)
{
    return node_port(context, name);
}

static bool
check_rules(const struct plan *plan, json_t *rules, json_t *fallback, struct failure *failure)
{
    json_t *rule;
    size_t i;

    json_array_foreach(rules, i, rule) {
        json_int_t id = json_integer_value(json_object_get(rule, "chain"));
        if (id < 1 || id >= ONVM_MAX_CHAINS || !plan->listed[id])
            return fail(failure, "rules: rule %zu names chain %lld, which is not in the plan",
                        i + 1, (long long)id);
    }
    if (fallback == NULL || json_is_null(fallback))
        return true;
    json_int_t id = json_integer_value(fallback);
    if (id < 1 || id >= ONVM_MAX_CHAINS || !plan->listed[id])
        return fail(failure, "default_chain %lld is not in the plan", (long long)id);
    return true;
}

static bool
read_plan(struct node *node, struct plan *plan, json_t *request, struct failure *failure)
{
    json_error_t error;
    json_t *chains, *rules, *fallback = NULL;

    if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s:o, s:o, s?o}", "op", &(char *){NULL},
                       "chains", &chains, "rules", &rules, "default_chain", &fallback) != 0)
        return fail(failure, "plan: %s", error.text);
    plan->rules = ruleset_parse(request, port_by_name, node, failure);
    if (plan->rules == NULL || !read_chains(node, plan, chains, failure) ||
        !check_rules(plan, rules, fallback, failure) || !pair_chains(node, plan, failure))
        return false;
    plan->default_chain = (uint16_t)json_integer_value(fallback);
    set_lineages(node, plan);
    return true;
}

struct path_change {
    uint16_t id;
    struct path path;
};

static void
set_path(struct worker *worker, void *argument)
{
    const struct path_change *change = argument;

    worker->path[change->id] = change->path;
}

static uint16_t
return_lineage(const struct node *node, const struct chain *chain)
{
    const struct chain *reverse = node->chain[chain->reverse_id];

    return chain->reverse_id != 0 && reverse != NULL ? reverse->lineage : 0;
}

static void
install_path(struct node *node, const struct chain *chain)
{
    struct path_change change = {
        .id = chain->id,
        .path = {.live = true,
                 .hops = (uint8_t)chain->hops,
                 .egress = chain->egress,
                 .service = chain->service[0],
                 .return_lineage = return_lineage(node, chain)},
    };

    worker_call(&node->worker, set_path, &change);
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
    plan = calloc(1, sizeof(*plan));
    if (plan == NULL)
        return fail(failure, "out of memory for a plan");
    if (!read_plan(node, plan, request, failure)) {
        free_plan(plan);
        return false;
    }
    plan->asker = asker;
    plan->commit_by = node_clock() + PATIENCE_MS;
    install_chains(node, plan);
    node->plan = plan;
    wiring_refresh(node);
    plan_advance(node);
    return true;
}

static void
exchange_rules(struct worker *worker, void *argument)
{
    struct ruleset **rules = argument;

    *rules = classifier_exchange(worker->classifier, *rules);
}

static void
commit(struct node *node)
{
    struct plan *plan = node->plan;

    worker_call(&node->worker, exchange_rules, &plan->rules); /* now the old ones are there */
    node->default_chain = plan->default_chain;
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++)
        if (node->chain[id] != NULL)
            node->chain[id]->draining = !plan->listed[id];
    control_answer(node, plan->asker, json_object(), -1);
    node->plan = NULL;
    free_plan(plan);
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

    worker_call(&node->worker, set_path, &nothing);
    clear_routes(node, chain->id);
    node->chain[chain->id] = NULL;
    control_announce_chain(node, chain->id, "drained");
    free_chain(chain);
}

static bool
drained(const struct node *node, const struct chain *chain)
{
    return __atomic_load_n(&node->worker.path[chain->id].in_flight, __ATOMIC_ACQUIRE) == 0;
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
    if (removed)
        wiring_refresh(node);
}

void
plan_advance(struct node *node)
{
    if (node->plan != NULL &&
        (wiring_settled(node) || node_clock() >= node->plan->commit_by))
        commit(node);
    remove_drained(node);
}

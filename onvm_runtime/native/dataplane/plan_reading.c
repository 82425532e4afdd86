/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan_reading.h"

#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "plan_links.h"

void
chain_free(struct chain *chain)
{
    if (chain != NULL)
        json_decref(chain->text);
    free(chain);
}

void
plan_free(struct plan *plan)
{
    if (plan->rules != NULL)
        ruleset_free(plan->rules);
    for (unsigned i = 0; i < ONVM_MAX_CHAINS; i++)
        chain_free(plan->chain[i]);
    plan_free_links(plan);
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
read_egress(const struct node *node, const struct plan *plan, struct chain *chain,
            const char *egress, json_t *exit, struct failure *failure)
{
    if ((egress == NULL) == (exit == NULL))
        return fail(failure, "chain %s: needs an egress or an exit", chain->name);
    if (exit != NULL)
        return plan_read_exit(plan, chain, exit, failure);
    chain->egress = node_port(node, egress);
    if (chain->egress == ONVM_MAX_PORTS)
        return fail(failure, "chain %s: there is no egress port %s on this node", chain->name,
                    egress);
    return true;
}

/* Reads one item of "chains" into `chain`, which the caller frees. */
static bool
read_chain(struct node *node, const struct plan *plan, json_t *item, struct chain *chain,
           struct failure *failure)
{
    json_error_t error;
    const char *name, *egress = NULL, *returns = "";
    json_t *path, *exit = NULL;
    int id, reverse = 0;

    if (json_unpack_ex(item, &error, JSON_STRICT, "{s:i, s:s, s:o, s?s, s?o, s?i, s?s}", "id", &id,
                       "name", &name, "path", &path, "egress", &egress, "exit", &exit, "reverse",
                       &reverse, "returns", &returns) != 0)
        return fail(failure, "chains: %s", error.text);
    if (id < 1 || id >= ONVM_MAX_CHAINS || reverse < 0 || reverse >= ONVM_MAX_CHAINS)
        return fail(failure, "chain %s: ids are from 1 to %d", name, ONVM_MAX_CHAINS - 1);
    if (!node_name_valid(name))
        return fail(failure, "'%s' cannot be a chain's name", name);
    snprintf(chain->name, sizeof(chain->name), "%s", name);
    chain->id = (uint16_t)id;
    chain->reverse_id = (uint16_t)reverse;
    snprintf(chain->returns, sizeof(chain->returns), "%s", returns);
    chain->text = json_incref(item);
    return read_path(node, chain, path, failure) &&
           read_egress(node, plan, chain, egress, exit, failure);
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
    plan->order[plan->count++] = chain->id;
    if (known != NULL)
        chain_free(chain);
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
        if (!read_chain(node, plan, item, chain, failure) ||
            !take_chain(node, plan, chain, failure)) {
            chain_free(chain);
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

/* Marks all versions of the chain that is the way back of another one, by its name. */
static bool
pair_by_name(const struct node *node, struct plan *plan, const char *name)
{
    bool found = false;

    for (unsigned i = 0; i < plan->count; i++) {
        struct chain *chain = planned(node, plan, plan->order[i]);
        if (strcmp(chain->name, name) != 0)
            continue;
        chain->reverse = true;
        found = true;
    }
    return found;
}

static bool
pair_named(const struct node *node, struct plan *plan, struct failure *failure)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct chain *chain = planned(node, plan, plan->order[i]);
        const char *name = chain->returns;
        if (name[0] != '\0' && !pair_by_name(node, plan, name))
            return fail(failure, "chain %s: there is no chain %s in the plan", chain->name, name);
    }
    return true;
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
    return a != NULL && a->lineage != 0 && a->reverse == b->reverse &&
           strcmp(a->name, b->name) == 0;
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
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (same_lineage(plan->chain[i], chain))
            return plan->chain[i]->lineage;
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
    for (unsigned i = plan->count; i > 0; i--) { /* so that the first of several versions stands */
        const struct chain *chain = planned(node, plan, plan->order[i - 1]);
        ruleset_set_lineage(plan->rules, chain->lineage, chain->id);
    }
}

static uint8_t
port_by_name(const void *context, const char *name)
{
    return node_port(context, name);
}

/* Whether rules may lead there: a chain of the plan or a spread. */
static bool
leads_on(const struct plan *plan, json_int_t id)
{
    return id >= 1 && id < ONVM_MAX_CHAINS && (plan->listed[id] || plan->spread_listed[id]);
}

static bool
check_rules(const struct plan *plan, json_t *rules, json_t *fallback, struct failure *failure)
{
    json_t *rule;
    size_t i;

    json_array_foreach(rules, i, rule) {
        json_int_t id = json_integer_value(json_object_get(rule, "chain"));
        if (!leads_on(plan, id))
            return fail(failure, "rules: rule %zu names chain %lld, which is not in the plan",
                        i + 1, (long long)id);
    }
    if (fallback == NULL || json_is_null(fallback))
        return true;
    json_int_t id = json_integer_value(fallback);
    if (!leads_on(plan, id))
        return fail(failure, "default_chain %lld is not in the plan", (long long)id);
    return true;
}

static bool
read_all(struct node *node, struct plan *plan, json_t *request, struct failure *failure)
{
    json_error_t error;
    json_t *chains, *rules, *fallback = NULL, *links = NULL, *spreads = NULL, *arrivals = NULL;

    if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s:o, s:o, s?o, s?o, s?o, s?o}", "op",
                       &(char *){NULL}, "chains", &chains, "rules", &rules, "default_chain",
                       &fallback, "links", &links, "spreads", &spreads, "arrivals",
                       &arrivals) != 0)
        return fail(failure, "plan: %s", error.text);
    plan->rules = ruleset_parse(request, port_by_name, node, failure);
    if (plan->rules == NULL || !plan_read_links(node, plan, links, failure) ||
        !read_chains(node, plan, chains, failure) ||
        !plan_read_spreads(node, plan, spreads, failure) ||
        !plan_read_arrivals(plan, arrivals, failure) || !pair_named(node, plan, failure) ||
        !check_rules(plan, rules, fallback, failure) || !pair_chains(node, plan, failure))
        return false;
    plan->default_chain = (uint16_t)json_integer_value(fallback);
    set_lineages(node, plan);
    return true;
}

struct plan *
plan_read(struct node *node, json_t *request, struct failure *failure)
{
    struct plan *plan = calloc(1, sizeof(*plan));

    if (plan == NULL) {
        fail(failure, "out of memory for a plan");
        return NULL;
    }
    plan->node = node;
    if (read_all(node, plan, request, failure))
        return plan;
    plan_free(plan);
    return NULL;
}

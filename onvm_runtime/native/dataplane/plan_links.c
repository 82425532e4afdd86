/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan_links.h"

#include <stdlib.h>

#include "nsh.h"
#include "span.h"
#include "ways.h"

#define PATH_IDS (1 << 24)

bool
plan_read_links(const struct node *node, struct plan *plan, json_t *items,
                struct failure *failure)
{
    json_t *item;
    size_t i;

    json_array_foreach (items, i, item)
        if (!span_read(node, item, plan->span, failure))
            return false;
    return true;
}

/* A link's name, path id and index, as an exit and an arrival have them. */
static bool
read_tag(const struct plan *plan, json_t *item, const char *what, struct arrival_key *key,
         struct failure *failure)
{
    const char *link = json_string_value(json_object_get(item, "link"));
    const struct span *span = link != NULL ? span_find(plan->span, link) : NULL;
    json_int_t path_id = json_integer_value(json_object_get(item, "path_id"));
    json_int_t index = json_integer_value(json_object_get(item, "index"));

    if (span == NULL)
        return fail(failure, "%s: there is no link %s in the plan", what, link ? link : "");
    if (path_id < 1 || path_id >= PATH_IDS || index < 0 || index > UINT8_MAX)
        return fail(failure, "%s: path_id or index is out of range", what);
    if ((index == 0) != (span->wrap.kind == WRAP_VLAN))
        return fail(failure, "%s: a link of VLANs has no index, all others have", what);
    *key = (struct arrival_key){span->id, (uint8_t)index, (uint32_t)path_id};
    return true;
}

bool
plan_read_exit(const struct plan *plan, struct chain *chain, json_t *item,
               struct failure *failure)
{
    json_t *ttl = json_object_get(item, "ttl");
    struct arrival_key key;

    if (!read_tag(plan, item, chain->name, &key, failure))
        return false;
    chain->exits = true;
    chain->exit = (struct exit){
        .span = key.span,
        .index = key.index,
        .ttl = (uint8_t)(ttl != NULL ? json_integer_value(ttl) & NSH_TTL : NSH_TTL),
        .path_id = key.path_id,
    };
    chain->egress = plan->span[key.span]->port;
    return true;
}

static bool
check_spread(const struct node *node, const struct plan *plan, const struct spread *spread,
             struct failure *failure)
{
    if (plan->listed[spread->id] || plan->spread[spread->id] != NULL ||
        node->chain[spread->id] != NULL)
        return fail(failure, "spread %s: id %u belongs to a chain", spread->name, spread->id);
    for (unsigned i = 0; i < spread->lanes + spread->backups; i++)
        if (!plan->listed[spread->lane[i]])
            return fail(failure, "spread %s: chain %u is not in the plan", spread->name,
                        spread->lane[i]);
    return true;
}

bool
plan_read_spreads(const struct node *node, struct plan *plan, json_t *items,
                  struct failure *failure)
{
    json_t *item;
    size_t i;

    json_array_foreach (items, i, item) {
        struct spread *spread = spread_read(item, failure);
        if (spread == NULL)
            return false;
        if (!check_spread(node, plan, spread, failure)) {
            spread_free(spread);
            return false;
        }
        plan->spread[spread->id] = spread;
        plan->spread_listed[spread->id] = true;
    }
    return true;
}

static bool
read_arrival(struct plan *plan, json_t *item, struct failure *failure)
{
    json_int_t chain = json_integer_value(json_object_get(item, "chain"));
    struct arrival *arrival = &plan->arrival[plan->arrivals];

    if (chain < 1 || chain >= ONVM_MAX_CHAINS || !plan->listed[chain])
        return fail(failure, "arrivals: chain %lld is not in the plan", (long long)chain);
    if (!read_tag(plan, item, "arrivals", &arrival->key, failure))
        return false;
    arrival->chain = (uint16_t)chain;
    plan->arrivals++;
    if (arrivals_add(plan->arrival_table, arrival->key, arrival->chain))
        return true;
    return fail(failure, "arrivals: path id %u, index %u is there twice", arrival->key.path_id,
                arrival->key.index);
}

bool
plan_read_arrivals(struct plan *plan, json_t *items, struct failure *failure)
{
    size_t count = json_array_size(items), i;
    json_t *item;

    if (count > ONVM_MAX_CHAINS)
        return fail(failure, "arrivals: more than %d of them", ONVM_MAX_CHAINS);
    plan->arrival = calloc(count + 1, sizeof(plan->arrival[0]));
    plan->arrival_table = arrivals_new((uint32_t)count);
    if (plan->arrival == NULL || plan->arrival_table == NULL)
        return fail(failure, "out of memory for arrivals");
    json_array_foreach (items, i, item)
        if (!read_arrival(plan, item, failure))
            return false;
    return true;
}

void
plan_free_links(struct plan *plan)
{
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (plan->span[id] != NULL && plan->span[id] != plan->node->span[id])
            span_free(plan->span[id]);
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++)
        spread_free(plan->spread[id]);
    arrivals_free(plan->arrival_table);
    free(plan->arrival);
}

void
plan_install_links(struct node *node, struct plan *plan)
{
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (plan->span[id] != NULL && node->span[id] == NULL)
            span_install(node, plan->span[id]);
}

void
plan_exchange_spreads(struct node *node, struct plan *plan)
{
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++) {
        struct spread *old = node->spread[id];

        if (!plan->spread_listed[id])
            continue;
        node->spread[id] = plan->spread[id];
        plan->spread[id] = old;
    }
    ways_refresh(node);
}

void
plan_retire_links(struct node *node, struct plan *plan)
{
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (node->span[id] != NULL)
            node->span[id]->listed = plan->span[id] != NULL;
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++)
        if (node->spread[id] != NULL && !plan->spread_listed[id]) {
            plan->spread[id] = node->spread[id];
            node->spread[id] = NULL;
        }
    ways_refresh(node);
    span_remove_unused(node);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "ways.h"

#include <stdlib.h>
#include <string.h>

#include "rendezvous.h"
#include "span.h"

static bool
read_ids(struct spread *spread, const char *key, json_t *list, unsigned *count,
         struct failure *failure)
{
    json_t *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > ONVM_MAX_LANES)
        return fail(failure, "spread %s: %s must list at most %d chains", spread->name, key,
                    ONVM_MAX_LANES);
    json_array_foreach (list, i, item) {
        json_int_t id = json_integer_value(item);
        if (id < 1 || id >= ONVM_MAX_CHAINS)
            return fail(failure, "spread %s: %s[%zu] is no chain's id", spread->name, key, i);
        spread->lane[spread->lanes + spread->backups + i] = (uint16_t)id;
    }
    *count = (unsigned)json_array_size(list);
    return true;
}

static bool
read_spread(struct spread *spread, json_t *item, struct failure *failure)
{
    json_error_t error;
    json_t *lanes, *backup;
    const char *name;
    int id;

    if (json_unpack_ex(item, &error, JSON_STRICT, "{s:i, s:s, s:o, s:o}", "id", &id, "name", &name,
                       "lanes", &lanes, "backup", &backup) != 0)
        return fail(failure, "spreads: %s", error.text);
    if (id < 1 || id >= ONVM_MAX_CHAINS || !node_name_valid(name))
        return fail(failure, "spreads: %d or '%.60s' cannot be a chain's id and name", id, name);
    spread->id = (uint16_t)id;
    snprintf(spread->name, sizeof(spread->name), "%s", name);
    return read_ids(spread, "lanes", lanes, &spread->lanes, failure) &&
           read_ids(spread, "backup", backup, &spread->backups, failure);
}

struct spread *
spread_read(json_t *item, struct failure *failure)
{
    struct spread *spread = calloc(1, sizeof(*spread));

    if (spread != NULL)
        spread->table = calloc(ONVM_BUCKETS, sizeof(spread->table[0]));
    if (spread == NULL || spread->table == NULL)
        fail(failure, "out of memory for a spread");
    else if (read_spread(spread, item, failure))
        return spread;
    spread_free(spread);
    return NULL;
}

void
spread_free(struct spread *spread)
{
    if (spread == NULL)
        return;
    free(spread->table);
    free(spread);
}

/* Whether the chain leaves by a span that is down, or leads nowhere behind it. */
static bool
is_shut(const struct node *node, const struct chain *chain)
{
    const struct span *span = chain->exits ? node->span[chain->exit.span] : NULL;
    uint32_t way = chain->exit.path_id << 8 | chain->exit.index;

    if (!chain->exits)
        return false;
    return span == NULL || !span->up || liveness_cut_off(&span->liveness, way, node->attention.ms);
}

/* Whether one of its services has no instance at all. */
static bool
lacks_instance(const struct node *node, const struct chain *chain)
{
    const struct balance *balance = &node->balance;

    for (unsigned hop = 0; hop < chain->hops; hop++)
        if (balance_instance(balance, chain->service[hop], balance->era, 0) == BALANCE_NOBODY)
            return true;
    return false;
}

bool
ways_severed(const struct node *node, const struct chain *chain)
{
    return is_shut(node, chain) || lacks_instance(node, chain);
}

/* The chains among `count` that lead on, with seeds that all nodes have alike. */
static unsigned
find_open(const struct node *node, const uint16_t *lane, unsigned count, uint16_t *open,
          uint32_t *seed)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct chain *chain = node->chain[lane[i]];
        if (chain == NULL || ways_severed(node, chain))
            continue;
        seed[found] = rendezvous_seed(chain->name);
        open[found++] = lane[i];
    }
    return found;
}

static void
fill(struct node *node, struct spread *spread)
{
    uint16_t open[ONVM_MAX_LANES];
    uint32_t seed[ONVM_MAX_LANES];
    unsigned count = find_open(node, spread->lane, spread->lanes, open, seed);

    if (count == 0)
        count = find_open(node, spread->lane + spread->lanes, spread->backups, open, seed);
    for (uint32_t bucket = 0; bucket < ONVM_BUCKETS; bucket++) {
        uint16_t lane = count > 0 ? open[rendezvous(bucket, seed, count)] : 0;
        __atomic_store_n(&spread->table[bucket], lane, __ATOMIC_RELAXED);
    }
}

/* The spread that has the chain among its lanes; 0: none. */
static uint16_t
spread_of(const struct node *node, uint16_t chain)
{
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct spread *spread = node->spread[id];
        for (unsigned i = 0; spread != NULL && i < spread->lanes + spread->backups; i++)
            if (spread->lane[i] == chain)
                return (uint16_t)id;
    }
    return 0;
}

struct detours {
    uint16_t of[ONVM_MAX_CHAINS];
    const uint16_t *table[ONVM_MAX_CHAINS];
};

static void
set_detours(struct worker *worker, void *argument)
{
    const struct detours *detours = argument;

    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++) {
        worker->path[id].detour = detours->of[id];
        worker->spread[id] = detours->table[id];
    }
}

static uint16_t
detour_of(const struct node *node, const struct chain *chain)
{
    uint16_t spread;

    if (!ways_severed(node, chain))
        return 0;
    spread = spread_of(node, chain->id);
    if (spread != 0)
        return spread;
    return is_shut(node, chain) ? WAYS_SHED : 0;
}

bool
ways_changed(const struct node *node)
{
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++)
        if (node->chain[id] != NULL && node->severed[id] != ways_severed(node, node->chain[id]))
            return true;
    return false;
}

void
ways_refresh(struct node *node)
{
    struct detours detours = {0};

    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct chain *chain = node->chain[id];

        node->severed[id] = chain != NULL && ways_severed(node, chain);
        if (node->spread[id] != NULL) {
            fill(node, node->spread[id]);
            detours.table[id] = node->spread[id]->table;
            detours.of[id] = (uint16_t)id;
        } else if (chain != NULL) {
            detours.of[id] = detour_of(node, chain);
        }
    }
    node_call(node, set_detours, &detours);
}

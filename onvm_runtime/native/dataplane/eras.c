/* SPDX-License-Identifier: BSD-3-Clause */
#include "eras.h"

#include <string.h>

#include "flow_table.h"
#include "ways.h"
#include "wiring.h"

void
eras_open(struct node *node)
{
    balance_open(&node->balance);
    for (unsigned era = 1; era < ONVM_ERAS; era++)
        node->eras.vacant[era] = true;
    for (unsigned i = 0; i < node->workers; i++) {
        memset(node->eras.entrance[i], 0xff, sizeof(node->eras.entrance[i]));
        node->worker[i].entrance = node->eras.entrance[i];
        node->worker[i].pressure.serves =
            (const uint16_t(*)[ONVM_ERAS][ONVM_BUCKETS])node->balance.serves;
    }
}

uint32_t
eras_flows(const struct node *node, unsigned era)
{
    uint32_t flows = 0;

    for (unsigned i = 0; i < node->workers; i++)
        flows += classifier_flows_of_era(node->worker[i].classifier, era);
    return flows;
}

static unsigned
instances_of(const struct node *node, uint16_t service, struct candidate *instance)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ONVM_MAX_NFS; i++) {
        const struct nf *nf = node->nf[i];
        if (nf != NULL && nf->joined && nf->service == service)
            instance[count++] = (struct candidate){nf->id, nf->seed, nf->weight};
    }
    return count;
}

static bool
is_named(const struct node *node, uint16_t service)
{
    return node->service[service].name[0] != '\0';
}

static void
measure_use(const struct node *node, struct era_use *use)
{
    for (unsigned era = 0; era < ONVM_ERAS; era++) {
        use[era].flows = eras_flows(node, era);
        use[era].vacant = node->eras.vacant[era] && use[era].flows == 0;
    }
}

void
eras_refresh(struct node *node)
{
    struct candidate instance[ONVM_MAX_NFS];
    struct era_use use[ONVM_ERAS];

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++)
        if (is_named(node, service))
            balance_set(&node->balance, service, node->service[service].stateful, instance,
                        instances_of(node, service, instance));
    measure_use(node, use);
    balance_settle(&node->balance, use);
}

/* Whether what its packets meet behind its last hop depends on their flows. */
static bool
leaves_by_flow(const struct chain *chain)
{
    return chain->exits || chain->reverse_id != 0 || chain->returns[0] != '\0';
}

static enum flow_need
need_of(struct node *node, const struct chain *chain)
{
    struct candidate instance[ONVM_MAX_NFS];
    enum flow_need need = leaves_by_flow(chain) ? FLOW_HASH : FLOW_NOTHING;

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++) {
        if (!is_named(node, service) || !wiring_passes(node, chain, service))
            continue;
        if (node->service[service].stateful)
            return FLOW_STATE;
        if (instances_of(node, service, instance) > 1)
            need = FLOW_HASH;
    }
    return need;
}

/* A spread chooses lanes by flow, and needs for each what the lane needs. */
static enum flow_need
need_of_spread(const struct spread *spread, const enum flow_need *need)
{
    for (unsigned i = 0; i < spread->lanes + spread->backups; i++)
        if (need[spread->lane[i]] == FLOW_STATE)
            return FLOW_STATE;
    return FLOW_HASH;
}

static void
find_needs(struct node *node, enum flow_need *need)
{
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++)
        need[id] = node->chain[id] != NULL ? need_of(node, node->chain[id]) : FLOW_HASH;
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++)
        if (node->spread[id] != NULL)
            need[id] = need_of_spread(node->spread[id], need);
}

/* The words of one call to a worker. */
struct announcement {
    uint8_t era;
    const enum flow_need *need;
};

static void
tell(struct worker *worker, void *argument)
{
    const struct announcement *news = argument;

    classifier_begin_era(worker->classifier, news->era);
    classifier_set_needs(worker->classifier, news->need);
}

void
eras_begin(struct node *node)
{
    struct eras *eras = &node->eras;
    struct announcement news = {.era = node->balance.era, .need = eras->need};
    enum flow_need need[ONVM_MAX_CHAINS];

    find_needs(node, need);
    if (eras->told == news.era && memcmp(need, eras->need, sizeof(need)) == 0)
        return;
    memcpy(eras->need, need, sizeof(need));
    eras->vacant[news.era] = false;
    eras->told = news.era;
    node_call(node, tell, &news);
}

/* Whether a buffer is out that went out no later than `then`, of the worker's clock. */
static bool
out_since(const struct ledger *ledger, uint32_t then)
{
    for (uint32_t i = 0; i < ledger->count; i++) {
        struct ledger_entry entry;
        __atomic_load(&ledger->entry[i], &entry, __ATOMIC_RELAXED);
        if (entry.out && (int32_t)(then - entry.since) >= 0)
            return true;
    }
    return false;
}

static void
note_quiet(struct node *node, unsigned era)
{
    node->eras.quiet[era] = true;
    for (unsigned i = 0; i < node->workers; i++)
        node->eras.quiet_at[era][i] = __atomic_load_n(&node->worker[i].now, __ATOMIC_RELAXED);
}

/* Whether all packets that were out when the era became quiet have come home. */
static bool
all_home(const struct node *node, unsigned era)
{
    for (unsigned i = 0; i < node->workers; i++)
        if (out_since(&node->worker[i].ledger, node->eras.quiet_at[era][i]))
            return false;
    return true;
}

static void
age(struct node *node, unsigned era)
{
    if (era == node->eras.told || eras_flows(node, era) > 0)
        node->eras.vacant[era] = node->eras.quiet[era] = false;
    else if (!node->eras.vacant[era] && !node->eras.quiet[era])
        note_quiet(node, era);
    else if (!node->eras.vacant[era])
        node->eras.vacant[era] = all_home(node, era);
}

void
eras_age(struct node *node)
{
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        age(node, era);
}

/* Flows of one instance: those that rules sent to it, and those that come back to it. */
struct tally {
    const struct balance *balance;
    uint16_t nf, service;
    bool chain[ONVM_MAX_CHAINS];   /* passes the service */
    bool lineage[ONVM_MAX_CHAINS]; /* likewise */
    uint32_t by_rules, returning;
};

static void
count_flow(void *context, const struct flow_target *target)
{
    struct tally *tally = context;
    bool passes = target->is_return ? tally->lineage[target->id] : tally->chain[target->id];
    uint16_t nf = balance_instance(tally->balance, tally->service, target->era, target->flow);

    if (!passes || nf != tally->nf)
        return;
    if (target->is_return)
        tally->returning++;
    else
        tally->by_rules++;
}

uint32_t
eras_flows_of(struct node *node, const struct nf *nf)
{
    struct tally tally = {.balance = &node->balance, .nf = nf->id, .service = nf->service};

    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct chain *chain = node->chain[id];
        if (chain != NULL && wiring_passes(node, chain, nf->service))
            tally.chain[id] = tally.lineage[chain->lineage] = true;
    }
    for (unsigned i = 0; i < node->workers; i++) {
        tally.returning = 0; /* all workers know of all of them */
        classifier_each_flow(node->worker[i].classifier, count_flow, &tally);
    }
    return tally.by_rules > tally.returning ? tally.by_rules : tally.returning;
}

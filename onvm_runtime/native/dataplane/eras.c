/* SPDX-License-Identifier: BSD-3-Clause */
#include "eras.h"

#include <string.h>

#include "flow_table.h"
#include "wiring.h"

void
eras_open(struct node *node)
{
    balance_open(&node->balance);
    for (unsigned era = 1; era < ONVM_ERAS; era++)
        node->eras.vacant[era] = true;
    memset(node->eras.entrance, 0xff, sizeof(node->eras.entrance));
    node->worker.entrance = node->eras.entrance;
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

static void
measure_use(const struct node *node, struct era_use *use)
{
    for (unsigned era = 0; era < ONVM_ERAS; era++) {
        use[era].flows = classifier_flows_of_era(node->worker.classifier, era);
        use[era].vacant = node->eras.vacant[era] && use[era].flows == 0;
    }
}

void
eras_refresh(struct node *node)
{
    struct candidate instance[ONVM_MAX_NFS];
    struct era_use use[ONVM_ERAS];

    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++)
        if (node->service[service].name[0] != '\0')
            balance_set(&node->balance, service, node->service[service].stateful, instance,
                        instances_of(node, service, instance));
    measure_use(node, use);
    balance_settle(&node->balance, use);
}

static bool
is_lasting(struct node *node, const struct chain *chain)
{
    for (uint16_t service = 0; service < ONVM_MAX_SERVICES; service++)
        if (node->service[service].stateful && wiring_passes(node, chain, service))
            return true;
    return false;
}

static void
find_lasting(struct node *node, bool *lasting)
{
    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++)
        lasting[id] = node->chain[id] != NULL && is_lasting(node, node->chain[id]);
}

/* The words of one call to the worker. */
struct news {
    uint8_t era;
    const bool *lasting;
};

static void
tell(struct worker *worker, void *argument)
{
    const struct news *news = argument;

    classifier_begin_era(worker->classifier, news->era);
    classifier_set_lasting(worker->classifier, news->lasting);
}

void
eras_begin(struct node *node)
{
    struct eras *eras = &node->eras;
    struct news news = {.era = node->balance.era, .lasting = eras->lasting};
    bool lasting[ONVM_MAX_CHAINS];

    find_lasting(node, lasting);
    if (eras->told == news.era && memcmp(lasting, eras->lasting, sizeof(lasting)) == 0)
        return;
    memcpy(eras->lasting, lasting, sizeof(lasting));
    eras->vacant[news.era] = false;
    eras->told = news.era;
    worker_call(&node->worker, tell, &news);
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
age(struct node *node, unsigned era)
{
    uint32_t *quiet_at = &node->eras.quiet_at[era];
    bool used = era == node->eras.told ||
                classifier_flows_of_era(node->worker.classifier, era) > 0;

    if (used) {
        node->eras.vacant[era] = false;
        *quiet_at = 0;
    } else if (!node->eras.vacant[era] && *quiet_at == 0) {
        *quiet_at = __atomic_load_n(&node->worker.now, __ATOMIC_RELAXED) | 1;
    } else if (!node->eras.vacant[era]) {
        node->eras.vacant[era] = !out_since(&node->worker.ledger, *quiet_at);
    }
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
    classifier_each_flow(node->worker.classifier, count_flow, &tally);
    return tally.by_rules > tally.returning ? tally.by_rules : tally.returning;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier.h"

#include <errno.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"
#include "parse.h"
#include "rules.h"

#define REPEAT 16 /* seconds */

struct classifier {
    struct flow_table *flows;
    struct ruleset *ruleset; /* NULL before the first plan */
    uint8_t era;             /* of new flows */
    bool lasting[ONVM_MAX_CHAINS];
    struct onvm_worker_counters *counters;
};

/* A frame of the burst between its parsing and its look-up. */
struct lookup {
    struct frame_fields fields;
    struct flow_hash hash;
};

struct classifier *
classifier_new(uint32_t flows, struct onvm_worker_counters *counters, struct failure *failure)
{
    struct classifier *classifier = calloc(1, sizeof(*classifier));

    if (classifier != NULL) {
        classifier->counters = counters;
        classifier->flows = flow_table_new(flows);
        if (classifier->flows != NULL)
            return classifier;
    }
    fail(failure, "cannot make a flow table of %u entries: %s", flows, strerror(errno));
    free(classifier);
    return NULL;
}

void
classifier_free(struct classifier *classifier)
{
    if (classifier == NULL)
        return;
    flow_table_free(classifier->flows);
    free(classifier);
}

void
classifier_hash_like(struct classifier *classifier, const struct classifier *other)
{
    flow_table_hash_like(classifier->flows, other->flows);
}

struct ruleset *
classifier_exchange(struct classifier *classifier, struct ruleset *ruleset)
{
    struct ruleset *old = classifier->ruleset;

    classifier->ruleset = ruleset;
    flow_table_forget_rules(classifier->flows);
    return old;
}

static void
publish_count(struct classifier *classifier)
{
    __atomic_store_n(&classifier->counters->flows, flow_table_count(classifier->flows),
                     __ATOMIC_RELAXED);
}

static inline struct classification
dropped(uint8_t reason, uint32_t flow)
{
    return (struct classification){.chain = 0, .reason = reason, .flow = flow};
}

/* 0: nothing has a place for the flow any more, or never had. */
static inline struct classification
outcome(uint16_t chain, uint32_t flow, uint8_t era)
{
    if (chain == 0)
        return dropped(ONVM_DROP_no_chain, flow);
    return (struct classification){.chain = chain, .era = era, .flow = flow};
}

/* Asks the rules, and remembers what they said, a refusal too. */
static struct classification
classify_unknown(struct classifier *classifier, const struct lookup *lookup, uint32_t now)
{
    struct flow_target target = {.flow = lookup->hash.flow, .era = classifier->era};
    uint8_t era;

    if (classifier->ruleset != NULL)
        target.id = rules_lookup(classifier->ruleset, &lookup->fields);
    era = flow_table_put(classifier->flows, &lookup->fields, lookup->hash.place, now, target);
    return outcome(target.id, target.flow, era);
}

static inline bool
classify_known(struct classifier *classifier, const struct lookup *lookup, uint32_t now,
               struct classification *result)
{
    struct flow_target target;

    if (!flow_table_find(classifier->flows, &lookup->fields, lookup->hash.place, now, &target))
        return false;
    if (target.is_return)
        target.id = classifier->ruleset != NULL ? classifier->ruleset->chain_of[target.id] : 0;
    if (target.is_return && target.id == 0) /* its lineage ended: a flow like any other */
        return false;
    *result = outcome(target.id, target.flow, target.era);
    return true;
}

/* Parses the burst into `lookup`; returns how many are well-formed, `place` says which. */
static inline uint16_t
parse_burst(uint8_t port, struct rte_mbuf **frames, uint16_t count, struct lookup *lookup,
            uint16_t *place)
{
    uint16_t n = 0;

    for (uint16_t i = 0; i < count; i++) {
        place[n] = i;
        n += frame_parse(rte_pktmbuf_mtod(frames[i], const uint8_t *),
                         rte_pktmbuf_data_len(frames[i]), rte_pktmbuf_pkt_len(frames[i]), port,
                         &lookup[n].fields);
    }
    return n;
}

/*
 * In passes over the burst, so that loads of one frame run while others are worked on.
 * Hashing is a pass of its own because it reads in words what parsing wrote in bytes.
 */
void
classifier_classify(struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
                    uint16_t count, uint32_t now, struct classification *results)
{
    struct lookup lookup[ONVM_BURST];
    uint16_t place[ONVM_BURST], known = 0, n;

    for (uint16_t i = 0; i < count; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
        results[i] = dropped(ONVM_DROP_malformed, 0);
    }
    n = parse_burst(port, frames, count, lookup, place);
    for (uint16_t i = 0; i < n; i++) {
        lookup[i].hash = flow_table_hash(classifier->flows, &lookup[i].fields.flow);
        flow_table_prefetch(classifier->flows, lookup[i].hash.place);
    }
    for (uint16_t i = 0; i < n; i++)
        flow_table_prefetch_entry(classifier->flows, lookup[i].hash.place);
    for (uint16_t i = 0; i < n; i++) {
        struct classification *result = &results[place[i]];

        if (classify_known(classifier, &lookup[i], now, result))
            known++;
        else
            *result = classify_unknown(classifier, &lookup[i], now);
    }
    ONVM_COUNT(classifier->counters->flow_hits, known);
    ONVM_COUNT(classifier->counters->flow_misses, n - known);
    publish_count(classifier);
}

/* When a flow that goes on is told again: at another second than its neighbours. */
static bool
time_to_repeat(uint32_t before, uint32_t now, uint32_t place)
{
    return (before + place) / REPEAT != (now + place) / REPEAT;
}

bool
classifier_learn_return(struct classifier *classifier, uint8_t port, const struct rte_mbuf *frame,
                        uint16_t lineage, uint32_t flow, uint8_t era, uint32_t now,
                        struct classifier_news *news)
{
    struct flow_target known;
    struct flow_target wanted = {.flow = flow, .id = lineage, .era = era, .is_return = true};
    struct frame_fields fields;
    struct flow_hash hash;

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &fields) ||
        fields.quoted) /* an error is not the flow that it quotes */
        return false;
    fields.flow = flow_key_reverse(&fields.flow);
    hash = flow_table_hash(classifier->flows, &fields.flow);
    *news = (struct classifier_news){fields.flow, flow, lineage, era};
    if (flow_table_find(classifier->flows, &fields, hash.place, now, &known) && known.is_return &&
        known.id == lineage && known.flow == flow && known.era == era)
        return time_to_repeat(known.seen, now, hash.place);
    flow_table_put(classifier->flows, &fields, hash.place, now, wanted);
    publish_count(classifier);
    return true;
}

void
classifier_hear(struct classifier *classifier, const struct classifier_news *news, uint32_t now)
{
    struct flow_target target = {
        .flow = news->flow, .id = news->lineage, .era = news->era, .is_return = true};
    struct frame_fields fields = {.flow = news->key};
    struct flow_hash hash = flow_table_hash(classifier->flows, &news->key);

    flow_table_put(classifier->flows, &fields, hash.place, now, target);
    publish_count(classifier);
}

bool
classifier_join(struct classifier *classifier, uint8_t port, const struct rte_mbuf *frame,
                bool has_flow, uint32_t now, struct classification *result)
{
    struct flow_target wanted = {.id = result->chain, .era = classifier->era}, known;
    struct lookup lookup;

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &lookup.fields))
        return false;
    lookup.hash = flow_table_hash(classifier->flows, &lookup.fields.flow);
    if (!has_flow)
        result->flow = lookup.hash.flow;
    wanted.flow = result->flow;
    if (flow_table_find(classifier->flows, &lookup.fields, lookup.hash.place, now, &known) &&
        !known.is_return && known.id == wanted.id)
        result->era = known.era;
    else
        result->era = flow_table_put(classifier->flows, &lookup.fields, lookup.hash.place, now,
                                     wanted);
    return true;
}

void
classifier_expire(struct classifier *classifier, uint32_t now)
{
    flow_table_expire(classifier->flows, now, classifier->lasting);
    publish_count(classifier);
}

void
classifier_begin_era(struct classifier *classifier, uint8_t era)
{
    classifier->era = era;
}

void
classifier_set_lasting(struct classifier *classifier, const bool *lasting)
{
    memcpy(classifier->lasting, lasting, sizeof(classifier->lasting));
}

uint32_t
classifier_flows_of_era(const struct classifier *classifier, unsigned era)
{
    return flow_table_of_era(classifier->flows, era);
}

void
classifier_each_flow(const struct classifier *classifier,
                     void (*visit)(void *context, const struct flow_target *target),
                     void *context)
{
    flow_table_each(classifier->flows, visit, context);
}

void
classifier_clear(struct classifier *classifier)
{
    flow_table_clear(classifier->flows);
    publish_count(classifier);
}

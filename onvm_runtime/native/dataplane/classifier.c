/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier.h"

#include <errno.h>
#include <rte_branch_prediction.h>
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
    uint8_t era;                   /* of new flows */
    uint8_t need[ONVM_MAX_CHAINS]; /* a flow_need */
    struct onvm_worker_counters *counters;
};

/* A frame of the burst between its parsing and its look-up. */
struct compact_lookup {
    struct compact_key key;
    struct compact_entry *home; /* NULL: it is of the flow of the look-up before */
    uint32_t place;             /* in the burst */
};

struct wide_lookup {
    struct frame_fields fields;
    struct flow_hash hash;
    uint16_t place;
};

/* A burst by the way in which its frames are looked up; malformed ones are in neither. */
struct sorted_burst {
    uint16_t compacts, wides;
    struct compact_lookup none; /* stands before the first, and has no flow's key */
    struct compact_lookup compact[ONVM_BURST];
    struct wide_lookup wide[ONVM_BURST];
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
    flow_table_forget_rules(classifier->flows, ruleset != NULL && ruleset->by_macs);
    return old;
}

void
classifier_set_needs(struct classifier *classifier, const enum flow_need *need)
{
    bool lasting[ONVM_MAX_CHAINS];

    for (unsigned id = 0; id < ONVM_MAX_CHAINS; id++) {
        classifier->need[id] = (uint8_t)need[id];
        lasting[id] = need[id] == FLOW_STATE;
    }
    flow_table_set_lasting(classifier->flows, lasting);
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
classify_unknown(struct classifier *classifier, const struct frame_fields *fields,
                 struct flow_hash hash, uint32_t now)
{
    struct flow_target target = {.flow = hash.flow, .era = classifier->era};
    uint8_t era;

    if (classifier->ruleset != NULL)
        target.id = rules_lookup(classifier->ruleset, fields);
    era = flow_table_put(classifier->flows, fields, hash.place, now, target);
    return outcome(target.id, target.flow, era);
}

/* From a lineage to its chain; false: it ended, so this is a flow like any other. */
static inline bool
follow_lineage(const struct classifier *classifier, uint16_t *id)
{
    *id = classifier->ruleset != NULL ? classifier->ruleset->chain_of[*id] : 0;
    return *id != 0;
}

/* What an entry says. */
static inline bool
follow_entry(const struct classifier *classifier, struct flow_target target,
             struct classification *result)
{
    if (target.is_return && !follow_lineage(classifier, &target.id))
        return false;
    *result = outcome(target.id, target.flow, target.era);
    return true;
}

static inline bool
same_flow(const struct compact_key *a, const struct compact_key *b)
{
    return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1])) == 0;
}

/* Its key is there already.  Frames of one flow in a row, as they often are, are one look-up. */
static inline void
add_compact(const struct classifier *classifier, struct compact_lookup *lookup, uint16_t place)
{
    lookup->place = place;
    if (same_flow(&lookup->key, &lookup[-1].key)) {
        lookup->home = NULL;
        return;
    }
    lookup->home = flow_home_compact(classifier->flows,
                                     flow_place_compact(classifier->flows, &lookup->key));
    __builtin_prefetch(lookup->home);
}

/* Any frame, the slow way; returns whether it became the next compact look-up. */
static bool
add_parsed(const struct classifier *classifier, struct sorted_burst *burst,
           struct compact_lookup *next, uint16_t place, const struct rte_mbuf *frame, uint8_t port)
{
    struct wide_lookup *lookup = &burst->wide[burst->wides];

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &lookup->fields))
        return false;
    if (flow_is_compact(&lookup->fields.flow) && !classifier->flows->by_macs) {
        next->key = flow_compact(&lookup->fields.flow);
        add_compact(classifier, next, place);
        return true;
    }
    lookup->place = place;
    lookup->hash = flow_table_hash(classifier->flows, &lookup->fields.flow);
    flow_table_prefetch(classifier->flows, lookup->hash.place);
    burst->wides++;
    return false;
}

static void
parse_burst(const struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
            uint16_t count, struct sorted_burst *burst)
{
    struct compact_lookup *next = burst->compact;

    burst->wides = 0;
    burst->none.key = (struct compact_key){{0, 0}};
    for (uint16_t i = 0; i < count; i++) {
        if (likely(compact_parse(rte_pktmbuf_mtod(frames[i], const uint8_t *),
                                 rte_pktmbuf_data_len(frames[i]), port, &next->key)))
            add_compact(classifier, next++, i);
        else
            next += add_parsed(classifier, burst, next, i, frames[i], port);
    }
    burst->compacts = (uint16_t)(next - burst->compact);
}

/* The same where rules ask for MAC addresses, for which compact look-ups have no room. */
static void
parse_burst_by_macs(const struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
                    uint16_t count, struct sorted_burst *burst)
{
    burst->wides = burst->compacts = 0;
    for (uint16_t i = 0; i < count; i++)
        add_parsed(classifier, burst, burst->compact, i, frames[i], port);
}

/* Parses it once more: to keep all fields of all frames would cost those that are known. */
static struct classification
classify_new_flow(struct classifier *classifier, const struct rte_mbuf *frame, uint8_t port,
                  uint32_t now)
{
    struct frame_fields fields;

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &fields))
        return dropped(ONVM_DROP_malformed, 0);
    return classify_unknown(classifier, &fields,
                            flow_table_hash(classifier->flows, &fields.flow), now);
}

/* Whether the table knows where the flow goes. */
static inline bool
find_compact(struct classifier *classifier, const struct compact_lookup *lookup, uint32_t now,
             struct classification *result)
{
    struct flow_note *note = flow_note_compact(lookup->home, &lookup->key);
    uint16_t chain;

    if (unlikely(note == NULL))
        return false;
    chain = note->id;
    if (note->generation != classifier->flows->generation &&
        (note->generation != 0 || !follow_lineage(classifier, &chain)))
        return false;
    flow_touch(note, now);
    *result = outcome(chain, note->flow, note->era);
    return true;
}

/* These return how many frames were of flows that the table knew. */
static uint16_t
look_up_compacts(struct classifier *classifier, const struct sorted_burst *burst, uint8_t port,
                 struct rte_mbuf **frames, uint32_t now, struct classification *results)
{
    const struct compact_lookup *end = burst->compact + burst->compacts;
    uint16_t unknown = 0;

    for (const struct compact_lookup *lookup = burst->compact; lookup < end; lookup++) {
        struct classification *result = &results[lookup->place];

        if (lookup->home == NULL) {
            *result = results[lookup[-1].place];
        } else if (unlikely(!find_compact(classifier, lookup, now, result))) {
            *result = classify_new_flow(classifier, frames[lookup->place], port, now);
            unknown++;
        }
    }
    return burst->compacts - unknown;
}

static uint16_t
look_up_wides(struct classifier *classifier, const struct sorted_burst *burst, uint32_t now,
              struct classification *results)
{
    uint16_t known = 0;

    for (uint16_t i = 0; i < burst->wides; i++) {
        const struct wide_lookup *lookup = &burst->wide[i];
        struct classification *result = &results[lookup->place];
        struct flow_target target;

        if (flow_table_find(classifier->flows, &lookup->fields, lookup->hash.place, now,
                            &target) &&
            follow_entry(classifier, target, result))
            known++;
        else
            *result = classify_unknown(classifier, &lookup->fields, lookup->hash, now);
    }
    return known;
}

/* In passes over the burst, so that loads of one frame run while others are worked on. */
static void
classify_by_flow(struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
                 uint16_t count, uint32_t now, struct classification *results)
{
    struct sorted_burst burst;
    uint16_t known;

    if (classifier->flows->by_macs)
        parse_burst_by_macs(classifier, port, frames, count, &burst);
    else
        parse_burst(classifier, port, frames, count, &burst);
    if (burst.compacts < count)
        for (uint16_t i = 0; i < count; i++)
            results[i] = dropped(ONVM_DROP_malformed, 0);
    known = look_up_compacts(classifier, &burst, port, frames, now, results);
    if (burst.wides > 0)
        known += look_up_wides(classifier, &burst, now, results);
    ONVM_COUNT(classifier->counters->flow_hits, known);
    ONVM_COUNT(classifier->counters->flow_misses, burst.compacts + burst.wides - known);
    publish_count(classifier);
}

static bool
hash_frame(const struct classifier *classifier, const struct rte_mbuf *frame, uint32_t *flow)
{
    const uint8_t *data = rte_pktmbuf_mtod(frame, const uint8_t *);
    struct frame_fields fields;
    struct compact_key key;

    if (likely(compact_parse(data, rte_pktmbuf_data_len(frame), 0, &key))) {
        *flow = flow_hash_compact(classifier->flows, &key);
        return true;
    }
    if (!frame_parse(data, rte_pktmbuf_data_len(frame), rte_pktmbuf_pkt_len(frame), 0, &fields))
        return false;
    *flow = flow_table_hash(classifier->flows, &fields.flow).flow;
    return true;
}

/* All frames take this chain, which wants to know their hashes. */
static void
classify_by_hash(const struct classifier *classifier, uint16_t chain, struct rte_mbuf **frames,
                 uint16_t count, struct classification *results)
{
    for (uint16_t i = 0; i < count; i++) {
        results[i] = outcome(chain, 0, classifier->era);
        if (unlikely(!hash_frame(classifier, frames[i], &results[i].flow)))
            results[i] = dropped(ONVM_DROP_malformed, 0);
    }
}

/* The chain that all frames of the port take; RULES_UNDECIDED: it depends on their flows. */
static inline uint16_t
decided_chain(const struct classifier *classifier, uint8_t port)
{
    const struct ruleset *ruleset = classifier->ruleset;
    uint16_t chain = ruleset != NULL ? ruleset->decided[port] : 0;

    if (chain == RULES_UNDECIDED || classifier->flows->returns[port] > 0 ||
        (chain != 0 && classifier->need[chain] == FLOW_STATE))
        return RULES_UNDECIDED;
    return chain;
}

void
classifier_classify(struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
                    uint16_t count, uint32_t now, struct classification *results)
{
    uint16_t chain = decided_chain(classifier, port);

    if (chain != RULES_UNDECIDED && (chain == 0 || classifier->need[chain] == FLOW_NOTHING)) {
        for (uint16_t i = 0; i < count; i++)
            results[i] = outcome(chain, 0, classifier->era);
        return;
    }
    for (uint16_t i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
    if (chain != RULES_UNDECIDED)
        classify_by_hash(classifier, chain, frames, count, results);
    else
        classify_by_flow(classifier, port, frames, count, now, results);
}

static inline bool
same_return(const struct flow_target *known, const struct flow_target *wanted)
{
    return known->is_return && known->id == wanted->id && known->flow == wanted->flow &&
           known->era == wanted->era;
}

/* Whether the way back of a packet of a common sort is known; `place`: of its entry. */
static inline bool
knows_return(struct classifier *classifier, uint8_t port, const struct rte_mbuf *frame,
             const struct flow_target *wanted, uint32_t now, struct flow_target *known,
             uint32_t *place)
{
    struct compact_key key;

    if (!compact_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                       port, &key))
        return false;
    key = compact_reverse(&key);
    *place = flow_place_compact(classifier->flows, &key);
    return flow_find_compact(classifier->flows, &key, flow_home_compact(classifier->flows, *place),
                             now, known) &&
           same_return(known, wanted);
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
    uint32_t place;
    bool known_here = knows_return(classifier, port, frame, &wanted, now, &known, &place);

    if (known_here && likely(!time_to_repeat(known.seen, now, place)))
        return false;
    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &fields) ||
        fields.quoted) /* an error is not the flow that it quotes */
        return false;
    fields.flow = flow_key_reverse(&fields.flow);
    hash = flow_table_hash(classifier->flows, &fields.flow);
    *news = (struct classifier_news){fields.flow, flow, lineage, era};
    if (known_here)
        return true;
    if (flow_table_find(classifier->flows, &fields, hash.place, now, &known) &&
        same_return(&known, &wanted))
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
    struct frame_fields fields;
    struct flow_hash hash;

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &fields))
        return false;
    hash = flow_table_hash(classifier->flows, &fields.flow);
    if (!has_flow)
        result->flow = hash.flow;
    wanted.flow = result->flow;
    if (flow_table_find(classifier->flows, &fields, hash.place, now, &known) &&
        !known.is_return && known.id == wanted.id)
        result->era = known.era;
    else
        result->era = flow_table_put(classifier->flows, &fields, hash.place, now, wanted);
    return true;
}

bool
classifier_foresee(const struct classifier *classifier, uint8_t port,
                   const struct rte_mbuf *frame, struct classification *result)
{
    struct frame_fields fields;

    if (!frame_parse(rte_pktmbuf_mtod(frame, const uint8_t *), rte_pktmbuf_data_len(frame),
                     rte_pktmbuf_pkt_len(frame), port, &fields))
        return false;
    result->flow = flow_table_hash(classifier->flows, &fields.flow).flow;
    result->era = classifier->era;
    return true;
}

void
classifier_expire(struct classifier *classifier, uint32_t now)
{
    flow_table_expire(classifier->flows, now);
    publish_count(classifier);
}

void
classifier_begin_era(struct classifier *classifier, uint8_t era)
{
    classifier->era = era;
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

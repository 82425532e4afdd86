/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classifier: which chain a frame takes, and its flow hash.
 *
 * A flow table (exact match, seeded hash, bounded, evicts its least recently
 * used neighbours) in front of masked rules in order of priority.  All functions
 * that take a classifier run on its worker, between bursts or in them; rule sets
 * are built by anybody, handed over, and read by all workers at once: nothing in
 * them changes any more.
 *
 * Entries are of two sorts.  Those derived from rules are forgotten when the rules
 * change.  Return entries are learnt at the egress of a bidirectional chain:
 * the reversed flow, as it will come back by that port, belongs to the chain's
 * reverse with the hash of the forward flow, whatever NFs did to its headers.
 * They outlive a change of rules: they name a lineage (a chain's name and direction,
 * numbered by plan.c), and the rule set says which chain id a lineage has now.
 *
 * A frame is looked at only as far as its chain needs.  Where the first rule that
 * concerns a port takes all of the port's frames, and no return entry is of that
 * port, nothing of a frame can change where it goes: it is not looked up, and not
 * even parsed unless the chain wants to know its hash (enum flow_need).
 *
 * The hash is symmetric: both directions of an unchanged flow have the same.
 * What comes back may arrive at another worker than the one that learnt its way, so
 * a worker tells the others (news.h).  All hash alike: a flow meets the same
 * instances whichever worker it comes by.
 *
 * ICMP errors are looked up as the flow that they quote.  Fragments after the
 * first have no L4 ports: all fragments of a datagram hash by addresses only.
 */
#ifndef ONVM_DATAPLANE_CLASSIFIER_H
#define ONVM_DATAPLANE_CLASSIFIER_H

#include <jansson.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../protocol/counters.h"
#include "failure.h"
#include "parse.h"

struct classifier;
struct flow_target;
struct ruleset;

/* Where one frame goes. */
struct classification {
    uint16_t chain; /* 0: dropped, for this reason */
    union {
        uint8_t reason; /* an onvm_drop_reason */
        uint8_t ttl;    /* what is left of it (nsh.h); 0: the packet came by no link */
    };
    uint8_t era;    /* in which its flow began */
    uint32_t flow;  /* symmetric hash */
};

#define CLASSIFICATION_FLOW UINT64_C(0xffffffff00000000) /* of its word (little-endian) */

/* All of it, to be compared at once. */
static inline uint64_t
classification_word(const struct classification *classification)
{
    uint64_t word;

    _Static_assert(sizeof(word) == sizeof(*classification), "it is one word");
    memcpy(&word, classification, sizeof(word));
    return word;
}

/* A way back that one worker learnt, for the others. */
struct classifier_news {
    struct flow_key key; /* of the flow that will come back */
    uint32_t flow;
    uint16_t lineage;
    uint8_t era;
};

/*
 * Reads "rules" and "default_chain" of a plan request (control.h).  `port_id`
 * resolves a port's name (ONVM_MAX_PORTS: unknown).  NULL: failure says which
 * rule and key is wrong.
 */
struct ruleset *ruleset_parse(json_t *plan,
                              uint8_t (*port_id)(const void *context, const char *name),
                              const void *context, struct failure *failure);

/* Says that chain `id` carries `lineage` (both 1 to ONVM_MAX_CHAINS - 1) under this rule set. */
void ruleset_set_lineage(struct ruleset *ruleset, uint16_t lineage, uint16_t id);

void ruleset_free(struct ruleset *ruleset);

/* What a chain must know of the flows of its packets. */
enum flow_need {
    FLOW_HASH,    /* which instance they take */
    FLOW_STATE,   /* in which era they began, too: each has an entry, and keeps it for long */
    FLOW_NOTHING, /* all go one way; its descriptors carry the hash 0 */
};

/* `flows`: how many the flow table has room for (flow_table.h). */
struct classifier *classifier_new(uint32_t flows, struct onvm_worker_counters *counters,
                                  struct failure *failure);

/* Makes one that has seen nothing yet hash as another one does. */
void classifier_hash_like(struct classifier *classifier, const struct classifier *other);

/* Leaves its rules to the caller, who may have given them to other classifiers as well. */
void classifier_free(struct classifier *classifier);

/* Takes the new rules into use; returns the old ones, which it does not look at any more. */
struct ruleset *classifier_exchange(struct classifier *classifier, struct ruleset *ruleset);

/* What each chain needs from now on, by id.  At first all need FLOW_HASH. */
void classifier_set_needs(struct classifier *classifier, const enum flow_need *need);

/* Classifies up to ONVM_BURST frames that came by `port`.  `now`: seconds, any epoch. */
void classifier_classify(struct classifier *classifier, uint8_t port, struct rte_mbuf **frames,
                         uint16_t count, uint32_t now, struct classification *results);

/*
 * Learns the way back of a frame that leaves by `port` (see above).  Whether the other
 * workers are to hear of it: when it is new, and now and then, should they have
 * missed or forgotten it.
 */
bool classifier_learn_return(struct classifier *classifier, uint8_t port,
                             const struct rte_mbuf *frame, uint16_t lineage, uint32_t flow,
                             uint8_t era, uint32_t now, struct classifier_news *news);

/* Learns what another worker has learnt. */
void classifier_hear(struct classifier *classifier, const struct classifier_news *news,
                     uint32_t now);

/*
 * Finds the era of a frame's flow whose chain another node chose, and remembers both.
 * `has_flow`: the flow's hash came along; else it is computed.  False: malformed.
 */
bool classifier_join(struct classifier *classifier, uint8_t port, const struct rte_mbuf *frame,
                     bool has_flow, uint32_t now, struct classification *result);

/*
 * Gives a frame the hash and the era that its flow would have if it were new, and remembers
 * nothing.  False: malformed.
 */
bool classifier_foresee(const struct classifier *classifier, uint8_t port,
                        const struct rte_mbuf *frame, struct classification *result);

/* Ages a slice of the table; called about once a millisecond when there is time. */
void classifier_expire(struct classifier *classifier, uint32_t now);

/* New flows begin in this era from now on. */
void classifier_begin_era(struct classifier *classifier, uint8_t era);

/* Flows of an era.  Any thread may ask. */
uint32_t classifier_flows_of_era(const struct classifier *classifier, unsigned era);

/* Visits every flow, as flow_table_each does. */
void classifier_each_flow(const struct classifier *classifier,
                          void (*visit)(void *context, const struct flow_target *target),
                          void *context);

/* Forgets every flow. */
void classifier_clear(struct classifier *classifier);

#endif

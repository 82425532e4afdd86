/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: exact match from a frame's fields to where its flow goes.
 *
 * Set-associative: a hash names a bucket of eight entries, and a flow is in its
 * bucket or nowhere.  A bucket begins with one cache line of signatures, targets
 * and times; each entry behind it is one line, so a hit touches two.  A full
 * bucket gives up its least recently used entry.  All memory is allocated at
 * the start: 72 bytes an entry.
 *
 * Two sorts of entry
 *   rule     derived from rules; matches the flow key and the MAC addresses, for
 *            rules may ask for them; counts only while its generation is the
 *            table's; idle for a minute it is dropped, the rules can make it again
 *   return   learnt where the flow left; matches the flow key only, for what comes
 *            back may have other MAC addresses; nothing could make it again, so it
 *            lives as long as RFC 5382 wants an idle TCP session kept
 *
 * An entry keeps the era (routes.h) in which its flow began, for as long as it is
 * there: a rule entry that is made again, for the rules have changed, keeps it, too.
 * The table counts the entries of each era.
 *
 * The hash is seeded with random numbers, so nobody can choose flows that meet in
 * a bucket.  No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_FLOW_TABLE_H
#define ONVM_DATAPLANE_FLOW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "parse.h"

#define FLOW_RULE_IDLE 60     /* seconds */
#define FLOW_RETURN_IDLE 7440 /* 2 h 4 min: RFC 5382, REQ-5 */

struct flow_table;

struct flow_hash {
    uint32_t flow;  /* the same in both directions, at all ports and in all VLANs */
    uint32_t place; /* of the entry in the table */
};

struct flow_target {
    uint32_t flow; /* the hash that the flow travels with */
    uint16_t id;   /* a chain of a rule entry, a lineage of a return entry */
    uint8_t era;   /* in which the flow began, below ONVM_ERAS */
    bool is_return;
    uint32_t seen; /* when the flow was used before it was found now; flow_table_put sets it anew */
};

/* Room for `entries`, rounded up to a power of two.  NULL: errno says why. */
struct flow_table *flow_table_new(uint32_t entries);

void flow_table_free(struct flow_table *table);

/* Makes an empty table hash as another one does. */
void flow_table_hash_like(struct flow_table *table, const struct flow_table *other);

struct flow_hash flow_table_hash(const struct flow_table *table, const struct flow_key *key);

/* Starts loading what flow_table_find will read: first this, a few frames later that. */
void flow_table_prefetch(const struct flow_table *table, uint32_t place);
void flow_table_prefetch_entry(const struct flow_table *table, uint32_t place);

/* Whether the flow is known; marks it as used at `now`. */
bool flow_table_find(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                     uint32_t now, struct flow_target *target);

/* Puts or replaces the flow's entry; returns its era, which a rule entry keeps. */
uint8_t flow_table_put(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                       uint32_t now, struct flow_target target);

/*
 * Visits the target of every entry.  Any thread may: it does not hold up the writer, and so
 * may miss an entry that changes meanwhile, or see half of two.
 */
void flow_table_each(const struct flow_table *table,
                     void (*visit)(void *context, const struct flow_target *target),
                     void *context);

/* Forgets all rule entries, at once. */
void flow_table_forget_rules(struct flow_table *table);

/*
 * Drops what was idle too long from the next few buckets.  Rule entries of chains
 * that are `lasting` live as long as return entries: elsewhere, their flows have state.
 */
void flow_table_expire(struct flow_table *table, uint32_t now, const bool *lasting);

/* Forgets everything. */
void flow_table_clear(struct flow_table *table);

/* Entries in use. */
uint32_t flow_table_count(const struct flow_table *table);

/* Of them, those of one era.  Any thread may ask. */
uint32_t flow_table_of_era(const struct flow_table *table, unsigned era);

#endif

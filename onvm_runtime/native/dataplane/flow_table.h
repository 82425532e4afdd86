/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: exact match from a frame's fields to where its flow goes.
 *
 * Set-associative: a hash names a bucket of eight entries and its home among them,
 * and a flow is in its bucket or nowhere.  Two stores hold the entries:
 *
 *   compact   32 bytes each, two in a cache line: IPv4 flows (flow_key.h)
 *   wide      64 bytes each, one in a line: all others
 *
 * An entry lies at its home if that is free when it comes, else beside it: so a hit
 * touches one line in most cases, and a miss four (eight of the wide store).  No
 * look-up is longer, whatever the flows are.
 *
 * Two sorts of entry
 *   rule     derived from rules; counts only while its generation is the table's;
 *            idle for a minute it is dropped, the rules can make it again.  Where
 *            rules ask for MAC addresses it matches them as well, and lies in the
 *            wide store, for it has no room for them elsewhere
 *   return   learnt where the flow left; matches the flow key only, for what comes
 *            back may have other MAC addresses; nothing could make it again, so it
 *            lives as long as RFC 5382 wants an idle TCP session kept
 *
 * An entry keeps the era (routes.h) in which its flow began, for as long as it is
 * there: a rule entry that is made again, for the rules have changed, keeps it, too.
 * The table counts the entries of each era.  Rule entries of chains that are `lasting`
 * are kept like return entries: elsewhere, their flows have state, and nothing could
 * tell their era again.
 *
 * An entry is new until it is used in a later second than the one it came in; then
 * it is proven.  A full bucket gives up new rule entries first, then new entries that
 * are to be kept, proven rule entries and proven ones that are to be kept; among equals
 * the one that was not used for the longest time.  Of those to be kept, a proven one
 * never makes place for one that is not to be kept.  So a flood of new flows competes with itself: it costs a full bucket
 * one proven entry at the most, the least recently used.
 *
 * The hash is seeded with random numbers, so nobody can choose flows that meet in
 * a bucket.  All address space is taken at the start, and memory as it is touched.
 * No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_FLOW_TABLE_H
#define ONVM_DATAPLANE_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "flow_key.h"
#include "parse.h"

#define FLOW_RULE_IDLE 60     /* seconds */
#define FLOW_RETURN_IDLE 7440 /* 2 h 4 min: RFC 5382, REQ-5 */

#define FLOW_WAYS 8
#define FLOW_WAY_BITS 3

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

/* What an entry says, beside its key. */
struct flow_note {
    uint32_t flow;
    uint32_t seen;       /* when it was used last */
    uint32_t generation; /* of the rules it derives from; 0: a return entry */
    uint16_t id;
    uint8_t era;
    uint8_t proven;
};

struct compact_entry {
    struct compact_key key; /* zero: empty */
    struct flow_note note;
};

struct wide_key {
    struct flow_key flow;
    uint32_t used; /* 0: empty */
};

struct wide_entry {
    struct wide_key key;
    struct flow_note note;
};

_Static_assert(sizeof(struct compact_entry) == 32, "two in a line");
_Static_assert(sizeof(struct wide_entry) == 64, "one in a line");

struct flow_store {
    void *entries;
    size_t size;    /* bytes of all entries */
    uint32_t mask;  /* of the number of a bucket */
    uint32_t sweep; /* next bucket to look for idle entries in */
    uint32_t count; /* entries in use */
};

struct flow_table {
    uint64_t seed[4];
    struct flow_store compact, wide;
    uint8_t (*macs)[FRAME_MACS]; /* of the rule entries in the wide store */
    bool by_macs;                /* the rules ask for them */
    uint32_t generation;
    uint32_t returns[ONVM_MAX_PORTS]; /* return entries by the port of their keys */
    uint32_t of_era[ONVM_ERAS];
    bool lasting[ONVM_MAX_CHAINS];
};

/*
 * Room for `flows` of each store, half full then: a bucket that is full by chance is
 * rare.  NULL: errno says why.
 */
struct flow_table *flow_table_new(uint32_t flows);

void flow_table_free(struct flow_table *table);

/* Makes an empty table hash as another one does. */
void flow_table_hash_like(struct flow_table *table, const struct flow_table *other);

struct flow_hash flow_table_hash(const struct flow_table *table, const struct flow_key *key);

/* Starts loading what flow_table_find will read of a wide key. */
void flow_table_prefetch(const struct flow_table *table, uint32_t place);

/* Whether the flow is known; marks it as used at `now`. */
bool flow_table_find(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                     uint32_t now, struct flow_target *target);

/*
 * Puts or replaces the flow's entry; not if it deserves no place (see above).  Returns
 * its era, which a rule entry keeps.
 */
uint8_t flow_table_put(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                       uint32_t now, struct flow_target target);

/*
 * Visits the target of every entry.  Any thread may: it does not hold up the writer, and so
 * may miss an entry that changes meanwhile, or see half of two.
 */
void flow_table_each(const struct flow_table *table,
                     void (*visit)(void *context, const struct flow_target *target),
                     void *context);

/*
 * Forgets all rule entries, at once.  `by_macs`: rules will ask for MAC addresses
 * from now on.
 */
void flow_table_forget_rules(struct flow_table *table, bool by_macs);

/* Which chains are lasting from now on. */
void flow_table_set_lasting(struct flow_table *table, const bool *lasting);

/* Drops what was idle too long from the next few buckets. */
void flow_table_expire(struct flow_table *table, uint32_t now);

/* Forgets everything. */
void flow_table_clear(struct flow_table *table);

/* Entries in use. */
uint32_t flow_table_count(const struct flow_table *table);

/* Of them, those of one era.  Any thread may ask. */
uint32_t flow_table_of_era(const struct flow_table *table, unsigned era);

/* Multiplies and folds: every bit of the result depends on all bits of both. */
static inline uint64_t
flow_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of two ends in either order.  `kind`: family and protocol. */
static inline uint64_t
flow_mix_ends(const uint64_t *seed, uint64_t source, uint64_t destination, uint16_t kind)
{
    return flow_mix(flow_mix(source ^ seed[0], destination ^ seed[0]) ^ seed[1], kind ^ seed[2]);
}

static inline uint32_t
flow_hash_compact(const struct flow_table *table, const struct compact_key *key)
{
    uint64_t ends = key->word[0], ports = key->word[1];

    return (uint32_t)flow_mix_ends(table->seed, (uint32_t)ends | (ports & 0xffff) << 32,
                                   ends >> 32 | (ports & 0xffff0000) << 16,
                                   FLOW_IPV4 << 8 | (uint8_t)(ports >> 32));
}

/*
 * The place of a compact key's entry.  A product of two secrets is no linear function of the
 * key, as a CRC is, whose collisions are the same under every seed.  It alone leaves patterns of
 * some sequences of keys under some seeds; the second product takes them away.
 */
static inline uint32_t
flow_place_compact(const struct flow_table *table, const struct compact_key *key)
{
    const uint64_t *seed = table->seed;
    uint64_t mixed = flow_mix(key->word[0] ^ seed[2], key->word[1] ^ seed[3]);

    return (uint32_t)((mixed ^ mixed >> 32) * (seed[0] | 1) >> 32);
}

/* The number of the place's home among all entries of a store. */
static inline size_t
flow_home(const struct flow_store *store, uint32_t place)
{
    return (size_t)(place >> FLOW_WAY_BITS & store->mask) << FLOW_WAY_BITS |
           (place & (FLOW_WAYS - 1));
}

static inline struct compact_entry *
flow_home_compact(const struct flow_table *table, uint32_t place)
{
    return (struct compact_entry *)table->compact.entries + flow_home(&table->compact, place);
}

/* 0: it holds the key. */
static inline uint64_t
compact_difference(const struct compact_entry *entry, const struct compact_key *key)
{
    return (entry->key.word[0] ^ key->word[0]) | (entry->key.word[1] ^ key->word[1]);
}

/* The rest of a bucket, beyond the entry's home; NULL: the flow has no entry. */
struct flow_note *flow_search_compact(struct compact_entry *home, const struct compact_key *key);

static inline struct flow_note *
flow_note_compact(struct compact_entry *home, const struct compact_key *key)
{
    if (__builtin_expect(compact_difference(home, key) == 0, 1))
        return &home->note;
    return flow_search_compact(home, key);
}

/* Marks an entry as used. */
static inline void
flow_touch(struct flow_note *note, uint32_t now)
{
    if (note->seen == now) /* spares the line a write */
        return;
    note->seen = now;
    note->proven = 1;
}

/* Whether the note counts still; marks it as used. */
static inline bool
flow_read_note(const struct flow_table *table, struct flow_note *note, uint32_t now,
               struct flow_target *target)
{
    uint32_t before = note->seen;

    if (note->generation != 0 && note->generation != table->generation)
        return false;
    flow_touch(note, now);
    *target = (struct flow_target){.flow = note->flow,
                                   .id = note->id,
                                   .era = note->era,
                                   .is_return = note->generation == 0};
    target->seen = before;
    return true;
}

/*
 * As flow_table_find, of a compact key with this home; where rules ask for MACs it finds
 * return entries only.
 */
static inline bool
flow_find_compact(const struct flow_table *table, const struct compact_key *key,
                  struct compact_entry *home, uint32_t now, struct flow_target *target)
{
    struct flow_note *note = flow_note_compact(home, key);

    return note != NULL && flow_read_note(table, note, now, target);
}

#endif

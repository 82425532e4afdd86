/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The buffer ledger: which buffers NFs hold, in memory that no NF can reach.  Each
 * worker has one, of the buffers of its slice.
 *
 * States of a buffer      moved on by the worker
 *   home  -> out          ledger_begin_life: a new generation, so that descriptors of
 *                         earlier lives are void
 *   out   -> home         ledger_take_back: a descriptor came home and agrees in
 *                         index and generation
 *
 * A packet of several segments is several buffers, each by itself in the ledger; the
 * later ones are marked, so that a packet that is lost on the way counts once.
 *
 * Prohibited: home -> home (the descriptor is a copy or an invention; it is
 * refused and counted), and freeing a buffer that is out.  Only its worker writes
 * the ledger; the lease sweep reads it from the control thread and asks the
 * worker to act on what it found, naming the generation, so a stale finding is
 * harmless.
 */
#ifndef ONVM_DATAPLANE_LEDGER_H
#define ONVM_DATAPLANE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "../protocol/descriptor.h"
#include "../protocol/drop_reasons.h"
#include "failure.h"

enum ledger_state {
    LEDGER_HOME = 0,
    LEDGER_OUT = 1,
    LEDGER_OUT_LATER = 2, /* out, and not a packet's first segment */
};

/* Eight bytes, so that the sweep can read one whole while the worker writes it. */
struct __attribute__((aligned(8))) ledger_entry {
    uint8_t generation;
    uint8_t out; /* a ledger_state */
    uint16_t chain : 10;
    uint16_t ttl : 6; /* as in a classification */
    uint32_t since;   /* milliseconds of the worker's clock when it went out */
};

_Static_assert(sizeof(struct ledger_entry) == 8, "the sweep reads it whole");

/* An entry as one word, as it lies in memory (little-endian: descriptor.h). */
typedef uint64_t __attribute__((may_alias)) ledger_word;

#define LEDGER_WORD_OUT UINT64_C(0x100)      /* LEDGER_OUT in its place */
#define LEDGER_WORD_CHAIN 16                 /* its lowest bit */
#define LEDGER_WORD_WHO UINT64_C(0x03ffffff) /* generation, state and chain */
_Static_assert(ONVM_MAX_CHAINS <= 1 << 10, "a chain has 10 bits there");

/* With what a buffer goes out. */
struct ledger_life {
    uint16_t chain;
    uint8_t ttl;
    uint32_t now;
};

struct ledger {
    struct ledger_entry *entry; /* of buffer `first` and those behind it */
    uint32_t first;
    uint32_t count;
    uint64_t out; /* buffers that are out */
};

bool ledger_open(struct ledger *ledger, uint32_t first, uint32_t count, struct failure *failure);
void ledger_close(struct ledger *ledger);

/*
 * Begins a new life of a buffer; returns what names it in descriptors from now on.  The
 * caller counts it in ledger->out.
 */
static inline uint32_t
ledger_begin_life(const struct ledger *ledger, uint32_t index, struct ledger_life life)
{
    struct ledger_entry *entry = &ledger->entry[index - ledger->first];
    uint8_t generation = (uint8_t)(entry->generation + 1);
    uint64_t said = LEDGER_WORD_OUT | (uint64_t)(life.chain & 1023) << LEDGER_WORD_CHAIN |
                    (uint64_t)(life.ttl & 63) << 26 | (uint64_t)life.now << 32;

    *(ledger_word *)entry = said | generation;
    return onvm_buffer(index, generation);
}

/* Hands a buffer out. */
static inline uint32_t
ledger_hand_out(struct ledger *ledger, uint32_t index, struct ledger_life life)
{
    ledger->out++;
    return ledger_begin_life(ledger, index, life);
}

/* Whether an index is one of a later segment. */
static inline bool
ledger_is_later(const struct ledger *ledger, uint32_t index)
{
    uint32_t place = index - ledger->first;

    return place < ledger->count && ledger->entry[place].out == LEDGER_OUT_LATER;
}

/* Marks a buffer that was handed out as a packet's later segment. */
static inline void
ledger_mark_later(struct ledger *ledger, uint32_t index)
{
    ledger->entry[index - ledger->first].out = LEDGER_OUT_LATER;
}

/*
 * The entry of a buffer that a descriptor names and that may come home, or NULL with
 * the reason for which the descriptor is refused.
 */
static inline struct ledger_entry *
ledger_find(const struct ledger *ledger, uint32_t buffer, enum onvm_drop_reason *reason)
{
    uint32_t place = onvm_buffer_index(buffer) - ledger->first;
    struct ledger_entry *entry;

    if (place >= ledger->count) { /* another worker's, too */
        *reason = ONVM_DROP_bad_index;
        return NULL;
    }
    entry = &ledger->entry[place];
    if (!entry->out) {
        *reason = ONVM_DROP_bad_owner;
        return NULL;
    }
    if (entry->generation != onvm_buffer_generation(buffer)) {
        *reason = ONVM_DROP_bad_generation;
        return NULL;
    }
    return entry;
}

/*
 * The entry of a buffer that a descriptor names, if it is out as a packet of this chain and
 * the first of its segments: by one comparison.  NULL: ask ledger_find.
 */
static inline struct ledger_entry *
ledger_find_of(const struct ledger *ledger, uint32_t buffer, uint16_t chain)
{
    uint32_t place = onvm_buffer_index(buffer) - ledger->first;
    uint64_t wanted = LEDGER_WORD_OUT | (uint64_t)chain << LEDGER_WORD_CHAIN |
                      onvm_buffer_generation(buffer);

    if (place >= ledger->count ||
        ((*(const ledger_word *)&ledger->entry[place] ^ wanted) & LEDGER_WORD_WHO) != 0)
        return NULL;
    return &ledger->entry[place];
}

/* Ends the life of what ledger_find found.  The caller counts it in ledger->out. */
static inline void
ledger_end_life(struct ledger_entry *entry)
{
    entry->out = LEDGER_HOME; /* its time to live can still be read */
}

/*
 * Takes a buffer back that a descriptor names.  Returns its entry, or NULL with
 * the reason for which the descriptor is refused.
 */
static inline const struct ledger_entry *
ledger_take_back(struct ledger *ledger, uint32_t buffer, enum onvm_drop_reason *reason)
{
    struct ledger_entry *entry = ledger_find(ledger, buffer, reason);

    if (entry != NULL) {
        ledger_end_life(entry);
        ledger->out--;
    }
    return entry;
}

#endif

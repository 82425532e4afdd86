/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The buffer ledger: which buffers NFs hold, in memory that no NF can reach.  Each
 * worker has one, of the buffers of its slice.
 *
 * States of a buffer      moved on by the worker
 *   home  -> out          ledger_hand_out: a new generation, so that descriptors of
 *                         earlier lives are void
 *   out   -> home         ledger_take_back: a descriptor came home and agrees in
 *                         index and generation
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

/* Eight bytes, so that the sweep can read one whole while the worker writes it. */
struct __attribute__((aligned(8))) ledger_entry {
    uint8_t generation;
    uint8_t out;
    uint16_t chain;
    uint32_t since; /* milliseconds of the worker's clock when it went out */
};

struct ledger {
    struct ledger_entry *entry; /* of buffer `first` and those behind it */
    uint32_t first;
    uint32_t count;
    uint64_t out; /* buffers that are out */
};

bool ledger_open(struct ledger *ledger, uint32_t first, uint32_t count, struct failure *failure);
void ledger_close(struct ledger *ledger);

/* Hands a buffer out to the chain; returns what names it in descriptors from now on. */
static inline uint32_t
ledger_hand_out(struct ledger *ledger, uint32_t index, uint16_t chain, uint32_t now)
{
    struct ledger_entry *entry = &ledger->entry[index - ledger->first];

    *entry = (struct ledger_entry){
        .generation = (uint8_t)(entry->generation + 1), .out = 1, .chain = chain, .since = now};
    ledger->out++;
    return onvm_buffer(index, entry->generation);
}

/*
 * Takes a buffer back that a descriptor names.  Returns its entry, or NULL with
 * the reason for which the descriptor is refused.
 */
static inline const struct ledger_entry *
ledger_take_back(struct ledger *ledger, uint32_t buffer, enum onvm_drop_reason *reason)
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
    entry->out = 0;
    ledger->out--;
    return entry;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded hash table for the state of flows: chained, of entries that stay
 * where they are, without allocation after it was opened.
 *
 * An entry is a struct of the module that begins with struct onvm_table_entry;
 * its key follows at once and is a whole number of 64-bit words.
 */
#ifndef ONVM_NF_TABLE_H
#define ONVM_NF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONVM_TABLE_END UINT32_MAX
#define ONVM_TABLE_SLICE 4096u /* steps at a time: some ten microseconds */

struct onvm_table_entry {
    uint32_t next; /* in its bucket, or among the free */
    uint32_t bucket : 31, used : 1;
};

struct onvm_table {
    uint8_t *entries;
    uint32_t *buckets;
    size_t entry_size, key_size;
    uint32_t capacity, mask, used, free;
    uint32_t walk; /* place of the next step around the table */
    uint64_t seed;
};

/* Room for `capacity` entries.  False: no memory. */
bool onvm_table_open(struct onvm_table *table, uint32_t capacity, size_t entry_size,
                     size_t key_size);

void onvm_table_close(struct onvm_table *table);

/* The entry with this key, or NULL. */
void *onvm_table_find(const struct onvm_table *table, const void *key);

/* A new entry with this key, which must not be there; zeroed but for it.  NULL: full. */
void *onvm_table_add(struct onvm_table *table, const void *key);

void onvm_table_remove(struct onvm_table *table, void *entry);

/* The entry in place `i` (below capacity), or NULL where the place is free. */
static inline void *
onvm_table_at(const struct onvm_table *table, uint32_t i)
{
    struct onvm_table_entry *entry =
        (struct onvm_table_entry *)(void *)(table->entries + (size_t)i * table->entry_size);

    return entry->used ? entry : NULL;
}

/* How many steps around the table a timer may take: a slice of it, or once around. */
static inline uint32_t
onvm_table_slice(const struct onvm_table *table)
{
    return table->capacity < ONVM_TABLE_SLICE ? table->capacity : ONVM_TABLE_SLICE;
}

/* One step around the table: the entry in the next place, or NULL where it is free. */
static inline void *
onvm_table_step(struct onvm_table *table)
{
    uint32_t i = table->walk;

    table->walk = i + 1 < table->capacity ? i + 1 : 0;
    return onvm_table_at(table, i);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

static struct onvm_table_entry *
entry_at(const struct onvm_table *table, uint32_t i)
{
    return (struct onvm_table_entry *)(void *)(table->entries + (size_t)i * table->entry_size);
}

static uint32_t
place_of(const struct onvm_table *table, const struct onvm_table_entry *entry)
{
    return (uint32_t)((size_t)((const uint8_t *)entry - table->entries) / table->entry_size);
}

static uint32_t
bucket_of(const struct onvm_table *table, const void *key)
{
    return onvm_hash(key, table->key_size, table->seed) & table->mask;
}

static uint32_t
round_up(uint32_t value)
{
    uint32_t power = 1;

    while (power < value)
        power *= 2;
    return power;
}

bool
onvm_table_open(struct onvm_table *table, uint32_t capacity, size_t entry_size, size_t key_size)
{
    *table = (struct onvm_table){
        .entries = calloc(capacity, entry_size),
        .buckets = malloc(round_up(capacity) * sizeof(*table->buckets)),
        .entry_size = entry_size,
        .key_size = key_size,
        .capacity = capacity,
        .mask = round_up(capacity) - 1,
        .seed = onvm_hash_seed(),
    };
    if (!table->entries || !table->buckets) {
        onvm_table_close(table);
        return false;
    }
    memset(table->buckets, 0xff, ((size_t)table->mask + 1) * sizeof(*table->buckets));
    for (uint32_t i = 0; i < capacity; i++)
        entry_at(table, i)->next = i + 1 < capacity ? i + 1 : ONVM_TABLE_END;
    return true;
}

void
onvm_table_close(struct onvm_table *table)
{
    free(table->entries);
    free(table->buckets);
    *table = (struct onvm_table){0};
}

void *
onvm_table_find(const struct onvm_table *table, const void *key)
{
    uint32_t i = table->buckets[bucket_of(table, key)];

    while (i != ONVM_TABLE_END) {
        struct onvm_table_entry *entry = entry_at(table, i);

        if (memcmp(entry + 1, key, table->key_size) == 0)
            return entry;
        i = entry->next;
    }
    return NULL;
}

void *
onvm_table_add(struct onvm_table *table, const void *key)
{
    uint32_t i = table->free, bucket = bucket_of(table, key);
    struct onvm_table_entry *entry;

    if (i == ONVM_TABLE_END)
        return NULL;
    entry = entry_at(table, i);
    table->free = entry->next;
    table->used++;
    memset(entry, 0, table->entry_size);
    memcpy(entry + 1, key, table->key_size);
    entry->used = 1;
    entry->bucket = bucket & 0x7fffffffu;
    entry->next = table->buckets[bucket];
    table->buckets[bucket] = i;
    return entry;
}

void
onvm_table_remove(struct onvm_table *table, void *removed)
{
    struct onvm_table_entry *entry = removed;
    uint32_t place = place_of(table, entry);
    uint32_t *link = &table->buckets[entry->bucket];

    while (*link != place)
        link = &entry_at(table, *link)->next;
    *link = entry->next;
    entry->used = 0;
    entry->next = table->free;
    table->free = place;
    table->used--;
}

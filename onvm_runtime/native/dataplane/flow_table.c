/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define WAYS 8
#define EXPIRE_BUCKETS 64 /* looked at by one call of flow_table_expire */
/* A target's word: bits 0-9 the id, 10-13 the era, and */
#define IS_RETURN 0x8000u
#define ERA_SHIFT 10
#define MAX_ENTRIES (1u << 27)

struct flow_entry {
    struct flow_key key;
    uint8_t macs[FRAME_MACS]; /* of a rule entry */
    uint32_t flow;
    uint32_t generation; /* of the rules it derives from; 0 in return entries */
};

struct flow_bucket {
    uint8_t signature[WAYS]; /* 0: empty; compared all at once, as one word */
    uint16_t target[WAYS];
    uint32_t seen[WAYS];
    struct flow_entry entry[WAYS] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct flow_entry) == 64, "a hit touches one line of entries");
_Static_assert(sizeof(struct flow_bucket) == 64 * (1 + WAYS), "and one of signatures");

struct flow_table {
    uint64_t seed[4];
    struct flow_bucket *bucket;
    size_t size; /* bytes of all buckets */
    uint32_t mask;
    uint32_t generation;
    uint32_t count;
    uint32_t of_era[ONVM_ERAS];
    uint32_t sweep; /* next bucket to look for idle entries in */
};

static uint32_t
bucket_count(uint32_t entries)
{
    uint32_t buckets = 1;

    while (buckets * WAYS < entries)
        buckets *= 2;
    return buckets;
}

static bool
table_allocate(struct flow_table *table, uint32_t buckets)
{
    table->mask = buckets - 1;
    table->size = (size_t)buckets * sizeof(struct flow_bucket);
    table->bucket = mmap(NULL, table->size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table->bucket == MAP_FAILED)
        return false;
    madvise(table->bucket, table->size, MADV_HUGEPAGE); /* fewer TLB misses, if there are any */
    return true;
}

struct flow_table *
flow_table_new(uint32_t entries)
{
    struct flow_table *table;

    if (entries > MAX_ENTRIES) {
        errno = EINVAL;
        return NULL;
    }
    table = calloc(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    table->generation = 1;
    if (getrandom(table->seed, sizeof(table->seed), 0) != sizeof(table->seed) ||
        !table_allocate(table, bucket_count(entries))) {
        free(table);
        return NULL;
    }
    return table;
}

void
flow_table_free(struct flow_table *table)
{
    if (table == NULL)
        return;
    munmap(table->bucket, table->size);
    free(table);
}

void
flow_table_hash_like(struct flow_table *table, const struct flow_table *other)
{
    memcpy(table->seed, other->seed, sizeof(table->seed));
}

static inline uint64_t
mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
hash_endpoint(const uint64_t *seed, const uint8_t *address, uint16_t port)
{
    uint64_t half[2];

    memcpy(half, address, sizeof(half));
    return mix(half[0] ^ seed[0], half[1] ^ seed[1] ^ (uint64_t)port << 48);
}

struct flow_hash
flow_table_hash(const struct flow_table *table, const struct flow_key *key)
{
    const uint64_t *seed = table->seed;
    uint64_t ends = hash_endpoint(seed, key->source, key->source_port) +
                    hash_endpoint(seed, key->destination, key->destination_port);
    uint64_t flow = mix(ends ^ seed[2], key->protocol ^ seed[3]);
    uint64_t where = (uint64_t)key->port << 32 | (uint64_t)key->vlan[0] << 16 | key->vlan[1];

    return (struct flow_hash){
        .flow = (uint32_t)flow,
        .place = (uint32_t)mix(flow ^ seed[1], where ^ seed[2]),
    };
}

static inline struct flow_bucket *
bucket_at(const struct flow_table *table, uint32_t place)
{
    return &table->bucket[place & table->mask];
}

/* Of the bits that a bucket's number of up to 2^24 leaves, and never 0. */
static inline uint8_t
signature_of(uint32_t place)
{
    uint8_t signature = (uint8_t)(place >> 24);

    return signature != 0 ? signature : 1;
}

/*
 * Ways that may hold the signature: bit 8 w + 7 for way w.  A way above one that
 * does hold it may be there in error, so keys are compared anyhow.
 */
static inline uint64_t
candidates(const struct flow_bucket *bucket, uint8_t signature)
{
    const uint64_t ones = 0x0101010101010101ull;
    uint64_t difference;

    memcpy(&difference, bucket->signature, sizeof(difference));
    difference ^= signature * ones;
    return (difference - ones) & ~difference & ones << 7;
}

static inline unsigned
first_way(uint64_t set)
{
    return (unsigned)__builtin_ctzll(set) / 8;
}

static inline uint64_t
load64(const void *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

/* Word by word, the last ones overlapping: the compiler's memcmp would be a call. */
static inline bool
same_key(const struct flow_entry *entry, const struct flow_key *key)
{
    const uint8_t *a = (const uint8_t *)&entry->key, *b = (const uint8_t *)key;
    uint64_t difference = load64(a + sizeof(*key) - 8) ^ load64(b + sizeof(*key) - 8);

    for (unsigned i = 0; i < sizeof(*key) / 8; i++)
        difference |= load64(a + i * 8) ^ load64(b + i * 8);
    return difference == 0;
}

/* The way that holds the key, of whatever generation; WAYS: none. */
static inline unsigned
find_way(const struct flow_bucket *bucket, const struct flow_key *key, uint32_t place)
{
    for (uint64_t set = candidates(bucket, signature_of(place)); set != 0; set &= set - 1)
        if (same_key(&bucket->entry[first_way(set)], key))
            return first_way(set);
    return WAYS;
}

void
flow_table_prefetch(const struct flow_table *table, uint32_t place)
{
    __builtin_prefetch(bucket_at(table, place));
}

void
flow_table_prefetch_entry(const struct flow_table *table, uint32_t place)
{
    const struct flow_bucket *bucket = bucket_at(table, place);
    uint64_t set = candidates(bucket, signature_of(place));

    if (set != 0)
        __builtin_prefetch(&bucket->entry[first_way(set)]);
}

/* A rule entry counts for the rules that made it and the MAC addresses it was made for. */
static inline bool
still_valid(const struct flow_table *table, const struct flow_entry *entry,
            const struct frame_fields *fields)
{
    if (entry->generation == 0)
        return true;
    return entry->generation == table->generation &&
           memcmp(entry->macs, fields->destination_mac, FRAME_MACS) == 0;
}

static inline uint8_t
era_of(uint16_t target)
{
    return target >> ERA_SHIFT & (ONVM_ERAS - 1);
}

static inline struct flow_target
target_of(uint16_t word, uint32_t flow)
{
    return (struct flow_target){.flow = flow,
                                .id = word & (ONVM_MAX_CHAINS - 1),
                                .era = era_of(word),
                                .is_return = (word & IS_RETURN) != 0};
}

static inline uint16_t
target_word(struct flow_target target)
{
    return (uint16_t)(target.id | target.era << ERA_SHIFT | (target.is_return ? IS_RETURN : 0));
}

bool
flow_table_find(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                uint32_t now, struct flow_target *target)
{
    struct flow_bucket *bucket = bucket_at(table, place);
    unsigned way = find_way(bucket, &fields->flow, place);

    if (way == WAYS || !still_valid(table, &bucket->entry[way], fields))
        return false;
    *target = target_of(bucket->target[way], bucket->entry[way].flow);
    target->seen = bucket->seen[way];
    if (target->seen != now) /* spares the line a write */
        bucket->seen[way] = now;
    return true;
}

/* An empty way, or the one that was used the longest time ago. */
static unsigned
oldest_way(const struct flow_bucket *bucket, uint32_t now)
{
    unsigned oldest = 0;

    for (unsigned way = 0; way < WAYS; way++) {
        if (bucket->signature[way] == 0)
            return way;
        if (now - bucket->seen[way] > now - bucket->seen[oldest])
            oldest = way;
    }
    return oldest;
}

/* Single-writer; other threads read. */
static inline void
count_era(struct flow_table *table, unsigned era, uint32_t change)
{
    __atomic_store_n(&table->of_era[era], table->of_era[era] + change, __ATOMIC_RELAXED);
}

static void
vacate(struct flow_table *table, struct flow_bucket *bucket, unsigned way)
{
    bucket->signature[way] = 0;
    table->count--;
    count_era(table, era_of(bucket->target[way]), UINT32_MAX);
}

uint8_t
flow_table_put(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
               uint32_t now, struct flow_target target)
{
    struct flow_bucket *bucket = bucket_at(table, place);
    unsigned way = find_way(bucket, &fields->flow, place);

    if (way == WAYS)
        way = oldest_way(bucket, now);
    else if (!target.is_return)
        target.era = era_of(bucket->target[way]);
    if (bucket->signature[way] != 0)
        vacate(table, bucket, way);
    table->count++;
    count_era(table, target.era, 1);
    bucket->signature[way] = signature_of(place);
    bucket->target[way] = target_word(target);
    bucket->seen[way] = now;
    bucket->entry[way].key = fields->flow;
    bucket->entry[way].flow = target.flow;
    bucket->entry[way].generation = target.is_return ? 0 : table->generation;
    memcpy(bucket->entry[way].macs, fields->destination_mac, FRAME_MACS);
    return target.era;
}

void
flow_table_each(const struct flow_table *table,
                void (*visit)(void *context, const struct flow_target *target), void *context)
{
    for (uint64_t i = 0; i < (uint64_t)(table->mask + 1ull) * WAYS; i++) {
        const struct flow_bucket *bucket = &table->bucket[i / WAYS];
        unsigned way = i % WAYS;
        struct flow_target target;

        if (__atomic_load_n(&bucket->signature[way], __ATOMIC_RELAXED) == 0)
            continue;
        target = target_of(__atomic_load_n(&bucket->target[way], __ATOMIC_RELAXED),
                           __atomic_load_n(&bucket->entry[way].flow, __ATOMIC_RELAXED));
        visit(context, &target);
    }
}

void
flow_table_forget_rules(struct flow_table *table)
{
    table->generation++;
    if (table->generation == 0) /* 0 means something else */
        table->generation = 1;
}

static uint32_t
idle_limit(uint16_t target, const bool *lasting)
{
    bool lasts = target & IS_RETURN || lasting[target & (ONVM_MAX_CHAINS - 1)];

    return lasts ? FLOW_RETURN_IDLE : FLOW_RULE_IDLE;
}

static void
bucket_expire(struct flow_table *table, struct flow_bucket *bucket, uint32_t now,
              const bool *lasting)
{
    for (unsigned way = 0; way < WAYS; way++)
        if (bucket->signature[way] != 0 &&
            now - bucket->seen[way] > idle_limit(bucket->target[way], lasting))
            vacate(table, bucket, way);
}

void
flow_table_expire(struct flow_table *table, uint32_t now, const bool *lasting)
{
    for (unsigned i = 0; i < EXPIRE_BUCKETS && i <= table->mask; i++)
        bucket_expire(table, bucket_at(table, table->sweep++), now, lasting);
}

void
flow_table_clear(struct flow_table *table)
{
    for (uint32_t i = 0; i <= table->mask; i++)
        memset(table->bucket[i].signature, 0, sizeof(table->bucket[i].signature));
    table->count = 0;
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        count_era(table, era, -table->of_era[era]);
}

uint32_t
flow_table_count(const struct flow_table *table)
{
    return table->count;
}

uint32_t
flow_table_of_era(const struct flow_table *table, unsigned era)
{
    return __atomic_load_n(&table->of_era[era], __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define EXPIRE_BUCKETS 16 /* of each store, looked at by one call of flow_table_expire */
#define MAX_FLOWS (1u << 26)
#define HUGE_PAGE (2u << 20)

/* Address space for `size` bytes; on a whole number of huge pages, if it is large. */
static void *
map_memory(size_t size)
{
    size_t spare = size >= HUGE_PAGE ? HUGE_PAGE : 0;
    uint8_t *base = mmap(NULL, size + spare, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t ahead;

    if (base == MAP_FAILED)
        return NULL;
    ahead = spare != 0 ? -(uintptr_t)base % HUGE_PAGE : 0;
    if (ahead != 0)
        munmap(base, ahead);
    if (spare != ahead)
        munmap(base + ahead + size, spare - ahead);
    madvise(base + ahead, size, MADV_HUGEPAGE); /* fewer TLB misses, if there are any */
    return base + ahead;
}

static uint32_t
bucket_count(uint32_t flows)
{
    uint32_t buckets = 1;

    while (buckets * (FLOW_WAYS / 2) < flows)
        buckets *= 2;
    return buckets;
}

static bool
store_open(struct flow_store *store, uint32_t buckets, size_t entry_size)
{
    size_t size = (size_t)buckets * FLOW_WAYS * entry_size;

    store->mask = buckets - 1;
    store->size = size > 4096 ? size : 4096;
    store->entries = map_memory(store->size);
    return store->entries != NULL;
}

/* Most flows are compact: they shall not wait for the kernel to clear memory. */
static void
store_populate(const struct flow_store *store)
{
    madvise(store->entries, store->size, MADV_POPULATE_WRITE);
}

static void
store_close(struct flow_store *store)
{
    if (store->entries != NULL)
        munmap(store->entries, store->size);
}

static size_t
macs_size(const struct flow_table *table)
{
    return table->wide.size / sizeof(struct wide_entry) * FRAME_MACS;
}

static bool
table_open(struct flow_table *table, uint32_t buckets)
{
    if (!store_open(&table->compact, buckets, sizeof(struct compact_entry)) ||
        !store_open(&table->wide, buckets, sizeof(struct wide_entry)))
        return false;
    store_populate(&table->compact);
    table->macs = map_memory(macs_size(table));
    return table->macs != NULL;
}

struct flow_table *
flow_table_new(uint32_t flows)
{
    struct flow_table *table;

    if (flows > MAX_FLOWS) {
        errno = EINVAL;
        return NULL;
    }
    table = calloc(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    table->generation = 1;
    if (getrandom(table->seed, sizeof(table->seed), 0) == sizeof(table->seed) &&
        table_open(table, bucket_count(flows)))
        return table;
    flow_table_free(table);
    return NULL;
}

void
flow_table_free(struct flow_table *table)
{
    if (table == NULL)
        return;
    if (table->macs != NULL)
        munmap(table->macs, macs_size(table));
    store_close(&table->compact);
    store_close(&table->wide);
    free(table);
}

void
flow_table_hash_like(struct flow_table *table, const struct flow_table *other)
{
    memcpy(table->seed, other->seed, sizeof(table->seed));
}

/* An end of an IPv4 flow as flow_hash_compact has it; of another, all of it folded. */
static inline uint64_t
hash_end(const struct flow_table *table, uint8_t family, const uint8_t *address, uint16_t port)
{
    const uint64_t *seed = table->seed;

    if (family == FLOW_IPV4)
        return flow_load32(address) | (uint64_t)htons(port) << 32;
    return flow_mix(flow_load64(address) ^ seed[1],
                    flow_load64(address + 8) ^ seed[2] ^ (uint64_t)port << 48);
}

/* The symmetric hash of any flow, whose upper half takes no part in `flow`. */
static uint64_t
hash_ends(const struct flow_table *table, const struct flow_key *key)
{
    return flow_mix_ends(table->seed,
                         hash_end(table, key->family, key->source, key->source_port),
                         hash_end(table, key->family, key->destination, key->destination_port),
                         key->protocol | (uint16_t)(key->family << 8));
}

struct flow_hash
flow_table_hash(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t where = (uint64_t)key->port << 32 | (uint64_t)key->vlan[0] << 16 | key->vlan[1];
    uint64_t ends = hash_ends(table, key);
    struct compact_key compact;
    uint32_t place;

    if (flow_is_compact(key)) {
        compact = flow_compact(key);
        place = flow_place_compact(table, &compact);
    } else {
        place = (uint32_t)(flow_mix(ends ^ table->seed[1], where ^ table->seed[2]) >> 16);
    }
    return (struct flow_hash){.flow = (uint32_t)ends, .place = place};
}

/* The entry that lies `way` steps from the home; every way of a bucket is met once. */
static inline struct compact_entry *
compact_way(struct compact_entry *home, size_t way)
{
    return (struct compact_entry *)((uintptr_t)home ^ way * sizeof(*home));
}

static inline struct wide_entry *
wide_way(struct wide_entry *home, size_t way)
{
    return (struct wide_entry *)((uintptr_t)home ^ way * sizeof(*home));
}

struct flow_note *
flow_search_compact(struct compact_entry *home, const struct compact_key *key)
{
    for (size_t way = 1; way < FLOW_WAYS; way++)
        if (compact_difference(compact_way(home, way), key) == 0)
            return &compact_way(home, way)->note;
    return NULL;
}

static inline struct wide_entry *
wide_home(const struct flow_table *table, uint32_t place)
{
    return (struct wide_entry *)table->wide.entries + flow_home(&table->wide, place);
}

void
flow_table_prefetch(const struct flow_table *table, uint32_t place)
{
    __builtin_prefetch(wide_home(table, place));
}

/* Word by word: the compiler's memcmp would be a call. */
static inline bool
same_key(const struct wide_entry *entry, const struct wide_key *key)
{
    uint64_t difference = 0;

    for (size_t at = 0; at < sizeof(*key); at += 8)
        difference |= flow_load64((const uint8_t *)&entry->key + at) ^
                      flow_load64((const uint8_t *)key + at);
    return difference == 0;
}

static struct wide_entry *
find_wide(const struct flow_table *table, const struct flow_key *flow, uint32_t place)
{
    struct wide_key key = {.flow = *flow, .used = 1};
    struct wide_entry *home = wide_home(table, place);

    for (size_t way = 0; way < FLOW_WAYS; way++)
        if (same_key(wide_way(home, way), &key))
            return wide_way(home, way);
    return NULL;
}

static inline uint8_t *
macs_of(const struct flow_table *table, const struct wide_entry *entry)
{
    return table->macs[entry - (struct wide_entry *)table->wide.entries];
}

/* A rule entry counts for the MAC addresses that it was made for, if rules ask for them. */
static inline bool
same_macs(const struct flow_table *table, const struct wide_entry *entry,
          const struct frame_fields *fields)
{
    return !table->by_macs || entry->note.generation == 0 ||
           memcmp(macs_of(table, entry), fields->destination_mac, FRAME_MACS) == 0;
}

bool
flow_table_find(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
                uint32_t now, struct flow_target *target)
{
    struct compact_key key;
    struct wide_entry *entry;

    if (flow_is_compact(&fields->flow)) {
        key = flow_compact(&fields->flow);
        if (flow_find_compact(table, &key, flow_home_compact(table, place), now, target))
            return true;
        if (!table->by_macs)
            return false;
    }
    entry = find_wide(table, &fields->flow, place);
    return entry != NULL && same_macs(table, entry, fields) &&
           flow_read_note(table, &entry->note, now, target);
}

/* Whether the rules could not make it again as it is. */
static inline bool
is_kept(const struct flow_table *table, bool is_return, uint16_t id)
{
    return is_return || table->lasting[id % ONVM_MAX_CHAINS];
}

static inline bool
note_is_kept(const struct flow_table *table, const struct flow_note *note)
{
    return is_kept(table, note->generation == 0, note->id);
}

/* In which order entries are given up; 0: there is none. */
static unsigned
worth(const struct flow_table *table, const struct flow_note *note, bool used)
{
    if (!used)
        return 0;
    return 1u + 2u * note->proven + note_is_kept(table, note);
}

#define WORTH_PROVEN_AND_KEPT 4

/* The less worthy of two entries, one of which may be none yet. */
struct victim {
    struct flow_note *note;
    unsigned worth;
    uint32_t idle; /* seconds */
};

static void
consider(const struct flow_table *table, struct victim *victim, struct flow_note *note, bool used,
         uint32_t now)
{
    unsigned value = worth(table, note, used);
    uint32_t idle = now - note->seen;

    if (victim->note == NULL || value < victim->worth ||
        (value == victim->worth && idle > victim->idle))
        *victim = (struct victim){note, value, idle};
}

/* Whether a new entry may take the victim's place. */
static bool
may_replace(const struct flow_table *table, const struct victim *victim,
            const struct flow_target *target)
{
    return victim->worth < WORTH_PROVEN_AND_KEPT ||
           is_kept(table, target->is_return, target->id);
}

static inline uint8_t
compact_port(const struct compact_key *key)
{
    return key->word[1] >> COMPACT_PORT_SHIFT & COMPACT_PORT_MASK;
}

static inline uint8_t
wide_port(const struct wide_key *key)
{
    return key->flow.port % ONVM_MAX_PORTS;
}

/* Single-writer; other threads read. */
static inline void
count_era(struct flow_table *table, unsigned era, int change)
{
    __atomic_store_n(&table->of_era[era % ONVM_ERAS],
                     table->of_era[era % ONVM_ERAS] + (uint32_t)change, __ATOMIC_RELAXED);
}

/* Counts an entry in or out (`change` is 1 or -1). */
static void
count_entry(struct flow_table *table, struct flow_store *store, const struct flow_note *note,
            uint8_t port, int change)
{
    store->count += (uint32_t)change;
    count_era(table, note->era, change);
    if (note->generation == 0)
        table->returns[port] += (uint32_t)change;
}

static void
vacate_compact(struct flow_table *table, struct compact_entry *entry)
{
    if (entry->key.word[1] == 0)
        return;
    count_entry(table, &table->compact, &entry->note, compact_port(&entry->key), -1);
    entry->key = (struct compact_key){{0, 0}};
}

static void
vacate_wide(struct flow_table *table, struct wide_entry *entry)
{
    if (entry->key.used == 0)
        return;
    count_entry(table, &table->wide, &entry->note, wide_port(&entry->key), -1);
    entry->key.used = 0;
}

/* In place of `old`, the flow's own note until now, if it had one. */
static struct flow_note
new_note(const struct flow_table *table, struct flow_target target, uint32_t now,
         const struct flow_note *old)
{
    return (struct flow_note){
        .flow = target.flow,
        .seen = now,
        .generation = target.is_return ? 0 : table->generation,
        .id = target.id,
        .era = old != NULL && !target.is_return ? old->era : target.era,
        .proven = old != NULL && old->proven,
    };
}

#define owner_of(pointer, type, member) \
    ((type *)(void *)((uint8_t *)(pointer)-offsetof(type, member)))

/* The entry that a new one may have in its place; NULL: none. */
static struct compact_entry *
victim_compact(const struct flow_table *table, struct compact_entry *home, uint32_t now,
               const struct flow_target *target)
{
    struct victim victim = {0};

    for (size_t way = 0; way < FLOW_WAYS; way++) {
        struct compact_entry *entry = compact_way(home, way);

        consider(table, &victim, &entry->note, entry->key.word[1] != 0, now);
    }
    if (!may_replace(table, &victim, target))
        return NULL;
    return owner_of(victim.note, struct compact_entry, note);
}

static struct wide_entry *
victim_wide(const struct flow_table *table, struct wide_entry *home, uint32_t now,
            const struct flow_target *target)
{
    struct victim victim = {0};

    for (size_t way = 0; way < FLOW_WAYS; way++) {
        struct wide_entry *entry = wide_way(home, way);

        consider(table, &victim, &entry->note, entry->key.used != 0, now);
    }
    if (!may_replace(table, &victim, target))
        return NULL;
    return owner_of(victim.note, struct wide_entry, note);
}

static uint8_t
put_compact(struct flow_table *table, const struct compact_key *key, uint32_t place, uint32_t now,
            struct flow_target target)
{
    struct compact_entry *home = flow_home_compact(table, place);
    struct flow_note *own = flow_note_compact(home, key);
    struct flow_note note = new_note(table, target, now, own);
    struct compact_entry *entry =
        own != NULL ? owner_of(own, struct compact_entry, note)
                    : victim_compact(table, home, now, &target);

    if (entry != NULL) {
        vacate_compact(table, entry);
        *entry = (struct compact_entry){*key, note};
        count_entry(table, &table->compact, &note, compact_port(key), 1);
    }
    return note.era;
}

static uint8_t
put_wide(struct flow_table *table, const struct frame_fields *fields, uint32_t place, uint32_t now,
         struct flow_target target)
{
    struct wide_entry *own = find_wide(table, &fields->flow, place);
    struct flow_note note = new_note(table, target, now, own != NULL ? &own->note : NULL);
    struct wide_entry *entry =
        own != NULL ? own : victim_wide(table, wide_home(table, place), now, &target);

    if (entry == NULL)
        return note.era;
    vacate_wide(table, entry);
    *entry = (struct wide_entry){{.flow = fields->flow, .used = 1}, note};
    count_entry(table, &table->wide, &note, wide_port(&entry->key), 1);
    if (table->by_macs)
        memcpy(macs_of(table, entry), fields->destination_mac, FRAME_MACS);
    return note.era;
}

/* Makes way for an entry in the wide store, which would be found second. */
static void
forget_compact(struct flow_table *table, const struct compact_key *key, uint32_t place,
               struct flow_target *target)
{
    struct flow_note *note = flow_note_compact(flow_home_compact(table, place), key);

    if (note == NULL)
        return;
    target->era = note->era;
    vacate_compact(table, owner_of(note, struct compact_entry, note));
}

uint8_t
flow_table_put(struct flow_table *table, const struct frame_fields *fields, uint32_t place,
               uint32_t now, struct flow_target target)
{
    struct compact_key key;

    if (!flow_is_compact(&fields->flow))
        return put_wide(table, fields, place, now, target);
    key = flow_compact(&fields->flow);
    if (target.is_return || !table->by_macs)
        return put_compact(table, &key, place, now, target);
    forget_compact(table, &key, place, &target);
    return put_wide(table, fields, place, now, target);
}

static inline void
visit_note(const struct flow_note *note,
           void (*visit)(void *context, const struct flow_target *target), void *context)
{
    struct flow_target target = {
        .flow = __atomic_load_n(&note->flow, __ATOMIC_RELAXED),
        .id = __atomic_load_n(&note->id, __ATOMIC_RELAXED) % ONVM_MAX_CHAINS,
        .era = __atomic_load_n(&note->era, __ATOMIC_RELAXED),
        .is_return = __atomic_load_n(&note->generation, __ATOMIC_RELAXED) == 0,
    };

    visit(context, &target);
}

void
flow_table_each(const struct flow_table *table,
                void (*visit)(void *context, const struct flow_target *target), void *context)
{
    const struct compact_entry *compact = table->compact.entries;
    const struct wide_entry *wide = table->wide.entries;

    for (size_t i = 0; i < table->compact.size / sizeof(*compact); i++)
        if (__atomic_load_n(&compact[i].key.word[1], __ATOMIC_RELAXED) != 0)
            visit_note(&compact[i].note, visit, context);
    for (size_t i = 0; i < table->wide.size / sizeof(*wide); i++)
        if (__atomic_load_n(&wide[i].key.used, __ATOMIC_RELAXED) != 0)
            visit_note(&wide[i].note, visit, context);
}

void
flow_table_forget_rules(struct flow_table *table, bool by_macs)
{
    table->by_macs = by_macs;
    table->generation++;
    if (table->generation == 0) /* 0 means something else */
        table->generation = 1;
}

void
flow_table_set_lasting(struct flow_table *table, const bool *lasting)
{
    memcpy(table->lasting, lasting, sizeof(table->lasting));
}

static inline bool
is_idle(const struct flow_table *table, const struct flow_note *note, uint32_t now)
{
    return now - note->seen > (note_is_kept(table, note) ? FLOW_RETURN_IDLE : FLOW_RULE_IDLE);
}

static void
expire_compact(struct flow_table *table, uint32_t now)
{
    size_t first = flow_home(&table->compact, table->compact.sweep++ << FLOW_WAY_BITS);
    struct compact_entry *bucket = (struct compact_entry *)table->compact.entries + first;

    for (size_t way = 0; way < FLOW_WAYS; way++)
        if (bucket[way].key.word[1] != 0 && is_idle(table, &bucket[way].note, now))
            vacate_compact(table, &bucket[way]);
}

static void
expire_wide(struct flow_table *table, uint32_t now)
{
    size_t first = flow_home(&table->wide, table->wide.sweep++ << FLOW_WAY_BITS);
    struct wide_entry *bucket = (struct wide_entry *)table->wide.entries + first;

    for (size_t way = 0; way < FLOW_WAYS; way++)
        if (bucket[way].key.used != 0 && is_idle(table, &bucket[way].note, now))
            vacate_wide(table, &bucket[way]);
}

void
flow_table_expire(struct flow_table *table, uint32_t now)
{
    for (unsigned i = 0; i < EXPIRE_BUCKETS && table->compact.count > 0; i++)
        expire_compact(table, now);
    for (unsigned i = 0; i < EXPIRE_BUCKETS && table->wide.count > 0; i++)
        expire_wide(table, now);
}

/* Gives the memory back, which reads as zeroes from then on. */
static void
store_clear(struct flow_store *store)
{
    if (store->count > 0)
        madvise(store->entries, store->size, MADV_DONTNEED);
    store->count = 0;
}

void
flow_table_clear(struct flow_table *table)
{
    store_clear(&table->compact);
    store_clear(&table->wide);
    memset(table->returns, 0, sizeof(table->returns));
    for (unsigned era = 0; era < ONVM_ERAS; era++)
        __atomic_store_n(&table->of_era[era], 0, __ATOMIC_RELAXED);
}

uint32_t
flow_table_count(const struct flow_table *table)
{
    return table->compact.count + table->wide.count;
}

uint32_t
flow_table_of_era(const struct flow_table *table, unsigned era)
{
    return __atomic_load_n(&table->of_era[era], __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "translation.h"

#include <stdlib.h>
#include <string.h>

#include "nf/hash.h"

#define NO_PLACE UINT32_MAX
#define PORTS 65536u

static struct port_pool *
pool_of(const struct translations *all, uint32_t public, unsigned protocol)
{
    return &all->pools[public * MAPPED_PROTOCOLS + protocol];
}

static uint32_t *
inbound_of(const struct translations *all, uint32_t public, unsigned protocol, uint16_t port)
{
    return &all->inbound[((size_t)public * MAPPED_PROTOCOLS + protocol) * PORTS + port];
}

bool
translations_open(struct translations *all, uint32_t capacity, const uint32_t *public,
                  uint32_t publics, uint16_t low, uint16_t high)
{
    size_t pools = (size_t)publics * MAPPED_PROTOCOLS;

    memset(all, 0, sizeof(*all));
    all->publics = publics;
    memcpy(all->public, public, publics * sizeof(*public));
    all->pools = malloc(pools * sizeof(*all->pools));
    all->inbound = malloc(pools * PORTS * sizeof(*all->inbound));
    if (!all->pools || !all->inbound ||
        !onvm_table_open(&all->table, capacity, sizeof(struct translation),
                         sizeof(struct inside_end))) {
        translations_close(all);
        return false;
    }
    memset(all->inbound, 0xff, pools * PORTS * sizeof(*all->inbound));
    for (size_t i = 0; i < pools; i++)
        port_pool_open(&all->pools[i], low, high);
    return true;
}

void
translations_close(struct translations *all)
{
    free(all->pools);
    free(all->inbound);
    onvm_table_close(&all->table);
}

uint32_t
translations_public(const struct translations *all, uint32_t address)
{
    for (uint32_t i = 0; i < all->publics; i++)
        if (all->public[i] == address)
            return i;
    return PUBLIC_MAX;
}

static uint32_t
place_of(const struct translations *all, const struct translation *translation)
{
    return (uint32_t)(translation - (const struct translation *)(void *)all->table.entries);
}

/* Enters a mapping whose public port was taken. */
static struct translation *
enter(struct translations *all, const struct inside_end *inside, uint32_t public, uint16_t port)
{
    struct translation *translation = onvm_table_add(&all->table, inside);

    if (!translation) {
        port_pool_give_back(pool_of(all, public, inside->protocol), port);
        return NULL;
    }
    translation->public = (uint8_t)public;
    translation->port = port;
    *inbound_of(all, public, inside->protocol, port) = place_of(all, translation);
    return translation;
}

static void
leave(struct translations *all, struct translation *translation)
{
    unsigned protocol = translation->inside.protocol;

    *inbound_of(all, translation->public, protocol, translation->port) = NO_PLACE;
    port_pool_give_back(pool_of(all, translation->public, protocol), translation->port);
    onvm_table_remove(&all->table, translation);
}

static void
copy_use(struct translation *to, const struct translation *from)
{
    to->mac = from->mac;
    memcpy(to->steady, from->steady, sizeof(to->steady));
    memcpy(to->packets, from->packets, sizeof(to->packets));
    memcpy(to->bytes, from->bytes, sizeof(to->bytes));
    to->last = from->last;
}

static void
migrate_one(struct translations *all, const struct translations *before,
            const struct translation *from)
{
    uint32_t public = translations_public(all, before->public[from->public]);
    struct translation *to;

    if (public == PUBLIC_MAX ||
        !port_pool_claim(pool_of(all, public, from->inside.protocol), from->port))
        return;
    to = enter(all, &from->inside, public, from->port);
    if (to)
        copy_use(to, from);
}

void
translations_migrate(struct translations *all, const struct translations *before)
{
    for (uint32_t i = 0; i < before->table.capacity; i++) {
        const struct translation *from = onvm_table_at(&before->table, i);

        if (from)
            migrate_one(all, before, from);
    }
}

static uint64_t
timeout_of(const struct timeouts *timeouts, const struct translation *translation)
{
    switch (translation->inside.protocol) {
    case MAPPED_UDP: return timeouts->udp;
    case MAPPED_ICMP: return timeouts->icmp;
    default:
        return translation->steady[OUTBOUND] && translation->steady[INBOUND]
                   ? timeouts->tcp_established
                   : timeouts->tcp_transitory;
    }
}

uint64_t
translation_end(const struct translations *all, const struct translation *translation)
{
    return translation->last + timeout_of(&all->timeouts, translation);
}

/* The mapping itself, or NULL after it was removed for its age. */
static struct translation *
unless_expired(struct translations *all, struct translation *translation, uint64_t now)
{
    if (!translation || now <= translation_end(all, translation))
        return translation;
    leave(all, translation);
    return NULL;
}

struct translation *
translations_outbound(struct translations *all, const struct inside_end *inside, uint64_t now)
{
    return unless_expired(all, onvm_table_find(&all->table, inside), now);
}

struct translation *
translations_inbound(struct translations *all, uint32_t public, enum mapped_protocol protocol,
                     uint16_t port, uint64_t now)
{
    uint32_t place = *inbound_of(all, public, protocol, port);

    if (place == NO_PLACE)
        return NULL;
    return unless_expired(all, onvm_table_at(&all->table, place), now);
}

struct translation *
translations_add(struct translations *all, const struct inside_end *inside, uint64_t now)
{
    uint32_t public = (uint32_t)(onvm_hash_mix(inside->address, 0) % all->publics);
    uint32_t port = port_pool_take(pool_of(all, public, inside->protocol), inside->port);
    struct translation *translation;

    if (port == PORT_NONE)
        return NULL;
    translation = enter(all, inside, public, (uint16_t)port);
    if (translation)
        translation->last = now;
    return translation;
}

void
translations_expire(struct translations *all, uint64_t now)
{
    for (uint32_t steps = onvm_table_slice(&all->table); steps > 0; steps--)
        unless_expired(all, onvm_table_step(&all->table), now);
}

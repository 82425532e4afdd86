/* SPDX-License-Identifier: BSD-3-Clause */
#include "liveness.h"

void
liveness_attend(struct attention *attention, uint64_t clock_ms)
{
    uint64_t passed = clock_ms - attention->looked_at;

    attention->ms += passed < PROBE_MS ? passed : PROBE_MS;
    attention->looked_at = clock_ms;
}

static bool
recent(uint64_t then, uint64_t now)
{
    return now - then <= PROBE_PATIENCE_MS;
}

/* The place of a way among those cut off, or behind all of them. */
static unsigned
find(const struct liveness *liveness, uint32_t way)
{
    unsigned i = 0;

    while (i < liveness->cut_offs && liveness->cut_off[i].way != way)
        i++;
    return i;
}

static void
note_cut_off(struct liveness *liveness, uint32_t way, uint64_t now)
{
    unsigned i = find(liveness, way);

    if (i == ONVM_MAX_CHAINS)
        return;
    liveness->cut_off[i] = (struct cut_off){way, now};
    if (i == liveness->cut_offs)
        liveness->cut_offs++;
}

static bool
lists(const struct probe *probe, uint32_t way)
{
    uint16_t i = 0;

    while (i < probe->count && probe->cut_off[i] != way)
        i++;
    return i < probe->count;
}

/* A probe that had room for more lists all: what it does not list is open. */
static void
forget_open(struct liveness *liveness, const struct probe *probe)
{
    unsigned kept = 0, before = liveness->cut_offs;

    if (probe->count == PROBE_ENTRIES)
        return;
    for (unsigned i = 0; i < before; i++)
        if (lists(probe, liveness->cut_off[i].way))
            liveness->cut_off[kept++] = liveness->cut_off[i];
    liveness->cut_offs = kept;
}

/* An echo that is longer than its own time away is not one of ours. */
static void
note_round_trip(struct liveness *liveness, const struct probe *probe, uint64_t clock)
{
    if (probe->echo != 0 && probe->echo <= clock && probe->held <= clock - probe->echo)
        liveness->round_trip = clock - probe->echo - probe->held;
}

void
liveness_hear(struct liveness *liveness, const struct probe *probe, uint64_t now, uint64_t clock)
{
    liveness->heard = true;
    liveness->hears = probe->hears;
    liveness->heard_at = now;
    liveness->their_clock = probe->sent;
    liveness->came_at = clock;
    note_round_trip(liveness, probe, clock);
    for (uint16_t i = 0; i < probe->count; i++)
        note_cut_off(liveness, probe->cut_off[i], now);
    forget_open(liveness, probe);
}

bool
liveness_hears(const struct liveness *liveness, uint64_t now)
{
    return liveness->heard && recent(liveness->heard_at, now);
}

bool
liveness_up(const struct liveness *liveness, uint64_t now)
{
    return liveness->hears && liveness_hears(liveness, now);
}

bool
liveness_cut_off(const struct liveness *liveness, uint32_t way, uint64_t now)
{
    unsigned i = find(liveness, way);

    return i < liveness->cut_offs && recent(liveness->cut_off[i].told_at, now);
}

void
liveness_expire(struct liveness *liveness, uint64_t now)
{
    unsigned kept = 0, before = liveness->cut_offs;

    for (unsigned i = 0; i < before; i++)
        if (recent(liveness->cut_off[i].told_at, now))
            liveness->cut_off[kept++] = liveness->cut_off[i];
    liveness->cut_offs = kept;
}

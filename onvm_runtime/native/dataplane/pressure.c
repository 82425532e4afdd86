/* SPDX-License-Identifier: BSD-3-Clause */
#include "pressure.h"

#include <string.h>

#include "worker.h"

#define LOOKS_PER_MS 40     /* with few chains */
#define CHAINS_PER_PERIOD 64 /* that make the time between two looks longer by one period */
#define ACTIVE_MS 100       /* that a chain keeps its share after its last packet */

#define SMALLEST_WINDOW 2048 /* packets, as all windows */
#define WINDOWS_PER_MS 2

/* Kept free in every window: for chains that begin between two looks, and as the first
 * limit of each of them. */
#define RESERVE(window) ((window) / 8)
#define LEAST_SHARE (2u * ONVM_BURST)

#define HIGH_MARK(window) ((window) / 2)
#define LOW_MARK(window) ((window) / 4)

void
pressure_open(struct pressure *pressure, uint32_t slots, uint64_t cycles_per_ms)
{
    pressure->slots = slots;
    pressure->period = cycles_per_ms / LOOKS_PER_MS;
}

static void
forget_path(struct pressure *pressure, uint16_t id)
{
    for (unsigned i = 0; i < pressure->chains; i++)
        if (pressure->chain[i] == id) {
            pressure->chain[i] = pressure->chain[--pressure->chains];
            return;
        }
}

void
pressure_note_path(struct worker *worker, uint16_t id)
{
    struct pressure *pressure = &worker->pressure;

    forget_path(pressure, id);
    if (!worker->path[id].live)
        return;
    pressure->chain[pressure->chains++] = id;
    pressure->left[id] = worker->counters->chain[id].out.packets;
    pressure->rate[id] = 0;
    worker->path[id].limit = RESERVE(SMALLEST_WINDOW);
}

/* Smoothed, for what NFs that take turns have done comes home in heaps. */
static void
take_rates(struct worker *worker)
{
    struct pressure *pressure = &worker->pressure;
    uint32_t passed = worker->now - pressure->rated_at;

    if (passed == 0)
        return;
    pressure->rated_at = worker->now;
    for (unsigned i = 0; i < pressure->chains; i++) {
        uint16_t id = pressure->chain[i];
        uint64_t left = worker->counters->chain[id].out.packets;
        uint64_t rate = (left - pressure->left[id]) / passed;

        pressure->rate[id] = (uint32_t)((3 * (uint64_t)pressure->rate[id] + rate) / 4);
        pressure->left[id] = left;
    }
}

static uint32_t
window_of(const struct pressure *pressure, uint16_t service)
{
    uint32_t window = pressure->flow[service] / WINDOWS_PER_MS;

    if (window > pressure->slots)
        return pressure->slots;
    return window > SMALLEST_WINDOW ? window : SMALLEST_WINDOW;
}

static uint32_t
fill_of(const struct pressure_edge *watched)
{
    uint32_t fill = __atomic_load_n(&watched->edge->head, __ATOMIC_RELAXED) -
                    __atomic_load_n(&watched->edge->tail, __ATOMIC_RELAXED);

    return fill < watched->slots ? fill : watched->slots; /* both ends belong to NFs: whatever they hold */
}

/* An instance with several edges is met several times, and judged by their sum each time. */
static void
judge(struct pressure *pressure, const struct pressure_edge *watched)
{
    uint32_t waiting = pressure->waiting[watched->nf];
    uint32_t window = window_of(pressure, watched->service);
    bool *congested = &pressure->congested[watched->nf];

    if (waiting > HIGH_MARK(window))
        *congested = true;
    else if (waiting < LOW_MARK(window))
        *congested = false;
    if (*congested)
        pressure->stuck[watched->service] += fill_of(watched);
}

static void
find_congestion(struct pressure *pressure)
{
    const struct pressure_edges *edges = pressure->edges;

    if (edges == NULL)
        return;
    memset(pressure->stuck, 0, sizeof(pressure->stuck));
    memset(pressure->waiting, 0, sizeof(pressure->waiting));
    for (unsigned i = 0; i < edges->count; i++)
        pressure->waiting[edges->edge[i].nf] += fill_of(&edges->edge[i]);
    for (unsigned i = 0; i < edges->count; i++)
        judge(pressure, &edges->edge[i]);
}

static bool
is_active(const struct worker *worker, const struct path *path)
{
    return path->busy_at != 0 && worker->now + 1 - path->busy_at < ACTIVE_MS;
}

static void
count_load(struct worker *worker)
{
    struct pressure *pressure = &worker->pressure;

    memset(pressure->load, 0, sizeof(pressure->load));
    memset(pressure->flow, 0, sizeof(pressure->flow));
    pressure->active = 0;
    for (unsigned i = 0; i < pressure->chains; i++) {
        struct path *path = &worker->path[pressure->chain[i]];
        if (path->in_flight > 0)
            path->busy_at = worker->now + 1;
        pressure->active += is_active(worker, path);
        for (unsigned hop = 0; is_active(worker, path) && hop < path->hops; hop++) {
            pressure->load[path->service[hop]]++;
            pressure->flow[path->service[hop]] += pressure->rate[pressure->chain[i]];
        }
    }
}

static uint32_t
share_of_window(const struct pressure *pressure, uint16_t service, uint32_t window)
{
    return (window - RESERVE(window)) / pressure->load[service];
}

/*
 * What the chain may have on the way, beside what is stuck.  More than with the smallest
 * windows only as long as half of all buffers is enough for all chains with traffic.
 */
static uint32_t
share_of(const struct worker *worker, const struct path *path)
{
    const struct pressure *pressure = &worker->pressure;
    uint32_t least = UINT32_MAX, assured = UINT32_MAX, part;

    if (!is_active(worker, path))
        return RESERVE(SMALLEST_WINDOW);
    for (unsigned hop = 0; hop < path->hops; hop++) {
        uint16_t service = path->service[hop];

        least = RTE_MIN(least, share_of_window(pressure, service, window_of(pressure, service)));
        assured = RTE_MIN(assured, share_of_window(pressure, service, SMALLEST_WINDOW));
    }
    part = (uint32_t)(worker->chain_limit / pressure->active);
    least = RTE_MIN(least, RTE_MAX(part, assured));
    least -= least % ONVM_BURST; /* so that bursts enter whole */
    return RTE_MAX(least, LEAST_SHARE);
}

static void
set_limit(struct worker *worker, struct path *path)
{
    uint64_t limit = share_of(worker, path), stuck = 0;

    for (unsigned hop = 0; hop < path->hops; hop++)
        stuck += worker->pressure.stuck[path->service[hop]];
    limit += stuck;
    path->shedding = stuck > 0;
    path->limit = limit < worker->chain_limit ? limit : worker->chain_limit;
}

void
pressure_look(struct worker *worker)
{
    struct pressure *pressure = &worker->pressure;

    take_rates(worker);
    count_load(worker);
    find_congestion(pressure);
    for (unsigned i = 0; i < pressure->chains; i++)
        set_limit(worker, &worker->path[pressure->chain[i]]);
    pressure->look_at =
        worker->turn_at + pressure->period * (1 + pressure->chains / CHAINS_PER_PERIOD);
}

bool
pressure_blocks(const struct worker *worker, const struct path *path,
                const struct classification *result)
{
    const struct pressure *pressure = &worker->pressure;

    for (unsigned hop = 0; hop < path->hops; hop++) {
        uint16_t nf =
            pressure->serves[path->service[hop]][result->era][result->flow % ONVM_BUCKETS];
        if (nf < ONVM_MAX_NFS && pressure->congested[nf])
            return true;
    }
    return false;
}

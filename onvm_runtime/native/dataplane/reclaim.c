/* SPDX-License-Identifier: BSD-3-Clause */
#include "reclaim.h"

#include <stdlib.h>
#include <string.h>

#include "link.h"

#define SWEEP_MS 250
#define LEASE_MS 2000
#define MISSES 3

/* Buffers to take back, each by the worker whose it is. */
struct taking {
    uint32_t *buffer; /* index and generation, as in a descriptor */
    uint32_t count;
    uint16_t nf; /* whose they were; ONVM_MAX_NFS: not known */
    enum onvm_drop_reason reason;
};

static void
take_back(struct worker *worker, void *argument)
{
    const struct taking *taking = argument;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < taking->count; i++) {
        uint32_t index = onvm_buffer_index(taking->buffer[i]);
        bool later = ledger_is_later(&worker->ledger, index);
        enum onvm_drop_reason stale;
        const struct ledger_entry *entry = ledger_take_back(&worker->ledger, taking->buffer[i],
                                                            &stale);
        if (entry == NULL)
            continue; /* it came home by itself, or is another worker's */
        worker->path[entry->chain].in_flight--;
        if (later) /* of a packet that counts by its first segment */
            rte_pktmbuf_free(worker->region->mbuf[index]);
        else
            worker_drop(worker, entry->chain, worker->region->mbuf[index], taking->reason);
        taken++;
    }
    if (taking->nf < ONVM_MAX_NFS)
        ONVM_COUNT(worker->counters->nf[taking->nf].reclaimed, taken);
}

/* What lies between tail and head; both ends' words are clamped, neither is trusted. */
static uint32_t
read_edge(const struct onvm_edge *edge, uint32_t slots, uint32_t skip, uint32_t *buffer)
{
    uint32_t tail = __atomic_load_n(&edge->tail, __ATOMIC_ACQUIRE);
    uint32_t filled = __atomic_load_n(&edge->head, __ATOMIC_ACQUIRE) - tail;
    uint32_t count = 0;

    if (filled > slots)
        filled = slots;
    for (uint32_t i = skip; i < filled; i++)
        buffer[count++] = edge->slot[(tail + i) & (slots - 1)].buffer;
    return count;
}

void
reclaim_edge(struct node *node, const struct onvm_edge *edge, uint32_t slots, uint16_t nf,
             bool consumer_died)
{
    struct taking taking = {
        .buffer = calloc(slots, sizeof(uint32_t)),
        .nf = nf,
        .reason = consumer_died ? ONVM_DROP_nf_died : ONVM_DROP_nf_detached,
    };

    if (taking.buffer == NULL)
        return; /* the sweep will find them */
    taking.count = read_edge(edge, slots, consumer_died ? ONVM_BURST : 0, taking.buffer);
    if (taking.count > 0)
        node_call(node, take_back, &taking);
    free(taking.buffer);
}

struct sweep {
    uint64_t next;
    uint32_t count;
    uint8_t *seen;       /* in an edge, in this sweep */
    uint8_t *misses;     /* sweeps in a row without a sight of it */
    uint8_t *generation; /* to which the misses belong */
    uint32_t *buffer;    /* scratch for lists of buffers */
};

struct sweep *
sweep_new(uint32_t buffers, struct failure *failure)
{
    uint32_t scratch = buffers > ONVM_EDGE_SLOTS_MAX ? buffers : ONVM_EDGE_SLOTS_MAX;
    struct sweep *sweep = calloc(1, sizeof(*sweep));

    if (sweep != NULL) {
        sweep->count = buffers;
        sweep->seen = calloc(buffers, 1);
        sweep->misses = calloc(buffers, 1);
        sweep->generation = calloc(buffers, 1);
        sweep->buffer = calloc(scratch, sizeof(uint32_t));
        if (sweep->seen && sweep->misses && sweep->generation && sweep->buffer)
            return sweep;
        sweep_free(sweep);
    }
    fail(failure, "out of memory for the lease sweep over %u buffers", buffers);
    return NULL;
}

void
sweep_free(struct sweep *sweep)
{
    if (sweep == NULL)
        return;
    free(sweep->seen);
    free(sweep->misses);
    free(sweep->generation);
    free(sweep->buffer);
    free(sweep);
}

static void
mark_edge(struct sweep *sweep, const struct shared *memory)
{
    const struct onvm_edge *edge = memory->base;
    uint32_t slots = (uint32_t)((memory->size - sizeof(*edge)) / sizeof(struct onvm_descriptor));
    uint32_t count = read_edge(edge, slots, 0, sweep->buffer);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = onvm_buffer_index(sweep->buffer[i]);
        if (index < sweep->count)
            sweep->seen[index] = 1;
    }
}

static void
mark_all(struct sweep *sweep, const struct node *node)
{
    memset(sweep->seen, 0, sweep->count);
    for (const struct link *link = node->links; link != NULL; link = link->next)
        mark_edge(sweep, &link->edge);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        for (unsigned j = 0; node->nf[i] != NULL && j < node->workers; j++)
            if (node->nf[i]->home[j].base != NULL)
                mark_edge(sweep, &node->nf[i]->home[j]);
}

/* Whether the buffer has been missing for long enough; counts this sweep. */
static bool
missing(struct sweep *sweep, uint32_t index, struct ledger_entry entry, uint32_t now)
{
    bool overdue = entry.out && now - entry.since > LEASE_MS;

    if (!overdue || sweep->seen[index] || sweep->generation[index] != entry.generation)
        sweep->misses[index] = 0;
    sweep->generation[index] = entry.generation;
    return overdue && !sweep->seen[index] && ++sweep->misses[index] >= MISSES;
}

static uint32_t
find_missing(struct sweep *sweep, const struct worker *worker)
{
    const struct ledger *ledger = &worker->ledger;
    uint32_t now = __atomic_load_n(&worker->now, __ATOMIC_RELAXED);
    uint32_t count = 0;

    for (uint32_t i = 0; i < ledger->count; i++) {
        struct ledger_entry entry;
        __atomic_load(&ledger->entry[i], &entry, __ATOMIC_RELAXED);
        if (missing(sweep, ledger->first + i, entry, now))
            sweep->buffer[count++] = onvm_buffer(ledger->first + i, entry.generation);
    }
    return count;
}

/* Takes back what a worker's slice has lost. */
static void
sweep_slice(struct sweep *sweep, struct worker *worker)
{
    struct taking taking = {.buffer = sweep->buffer,
                            .count = find_missing(sweep, worker),
                            .nf = ONVM_MAX_NFS,
                            .reason = ONVM_DROP_lease_expired};

    if (taking.count > 0)
        worker_call(worker, take_back, &taking);
}

static bool
any_out(const struct node *node)
{
    for (unsigned i = 0; i < node->workers; i++)
        if (__atomic_load_n(&node->worker[i].ledger.out, __ATOMIC_RELAXED) != 0)
            return true;
    return false;
}

void
sweep_run(struct sweep *sweep, struct node *node)
{
    uint64_t now = node_clock();

    if (now < sweep->next)
        return;
    sweep->next = now + SWEEP_MS;
    if (!any_out(node))
        return;
    mark_all(sweep, node);
    for (unsigned i = 0; i < node->workers; i++)
        sweep_slice(sweep, &node->worker[i]);
}

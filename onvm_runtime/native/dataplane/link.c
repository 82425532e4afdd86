/* SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "reclaim.h"
#include "session.h"

#define DRAIN_MS 1000
#define OPEN_MS 1000

struct link *
link_find(const struct node *node, struct producer from, const struct nf *to)
{
    for (struct link *link = node->links; link != NULL; link = link->next)
        if (link->wanted && link_comes_from(link, from) && link->to == to)
            return link;
    return NULL;
}

/* A free place in an NF's table of one role; ONVM_MAX_EDGES: none. */
static uint16_t
claim_slot(struct nf *nf, enum onvm_edge_role role)
{
    uint16_t slot = 0;

    while (slot < ONVM_MAX_EDGES && nf->slot_used[role][slot])
        slot++;
    if (slot < ONVM_MAX_EDGES)
        nf->slot_used[role][slot] = true;
    return slot;
}

static void
set_outlet(struct worker *worker, void *argument)
{
    const struct link *link = argument;
    struct outlet *outlet = &worker->outlet[link->to_id];

    onvm_producer_open(&outlet->producer, link->edge.base, link->slots);
    outlet->doorbell = link->to->doorbell.base;
}

static void
clear_outlet(struct worker *worker, void *argument)
{
    const struct link *link = argument;

    worker->outlet[link->to_id] = (struct outlet){0};
}

/* Packets of all workers meet in the edges between NFs. */
static uint32_t
slots_for(const struct node *node, const struct nf *from)
{
    uint32_t slots = LINK_SLOTS;

    while (from != NULL && slots < LINK_SLOTS * node->workers)
        slots *= 2;
    return slots;
}

static bool
make_edge(struct link *link, struct failure *failure)
{
    struct onvm_edge *edge;

    if (!shared_open(&link->edge, "onvm-edge", onvm_edge_size(link->slots), SHARED_BY_BOTH, failure))
        return false;
    edge = link->edge.base;
    edge->magic = ONVM_EDGE_MAGIC;
    edge->slots = link->slots;
    return true;
}

static bool
claim_slots(struct link *link, struct failure *failure)
{
    link->in_slot = claim_slot(link->to, ONVM_EDGE_IN);
    link->out_slot = link->from != NULL ? claim_slot(link->from, ONVM_EDGE_OUT) : 0;
    if (link->in_slot < ONVM_MAX_EDGES && link->out_slot < ONVM_MAX_EDGES)
        return true;
    return fail(failure, "NF %s has no room for another edge", link->to->name);
}

/* The consumer first: its message is then on its way before anybody can produce. */
static void
open_ends(struct node *node, struct link *link)
{
    link->consumer = LINK_OPENING;
    session_open_edge(link->to, ONVM_EDGE_IN, link->in_slot, link);
    link->producer = LINK_OPENING;
    if (link->from != NULL) {
        session_open_edge(link->from, ONVM_EDGE_OUT, link->out_slot, link);
    } else {
        worker_call(&node->worker[link->worker], set_outlet, link);
        link->producer = LINK_OPEN;
    }
}

struct link *
link_open(struct node *node, struct producer from, struct nf *to, struct failure *failure)
{
    struct link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        fail(failure, "out of memory for an edge");
        return NULL;
    }
    link->from = from.nf;
    link->worker = from.worker;
    link->to = to;
    link->to_id = to->id;
    link->slots = slots_for(node, from.nf);
    link->worker_made = from.nf == NULL;
    link->wanted = true;
    link->late_at = node_clock() + OPEN_MS;
    if (!claim_slots(link, failure) || !make_edge(link, failure)) {
        free(link);
        return NULL;
    }
    link->next = node->links;
    node->links = link;
    open_ends(node, link);
    return link;
}

static void
acknowledge_end(enum link_end *end, struct nf *nf, enum onvm_edge_role role, uint16_t slot)
{
    if (*end == LINK_OPENING) {
        *end = LINK_OPEN;
    } else {
        *end = LINK_GONE;
        nf->slot_used[role][slot] = false;
    }
}

static bool
awaits(enum link_end end)
{
    return end == LINK_OPENING || end == LINK_CLOSING;
}

bool
link_acknowledge(struct node *node, struct nf *nf, uint32_t role, uint32_t slot)
{
    for (struct link *link = node->links; link != NULL; link = link->next) {
        if (role == ONVM_EDGE_IN && link->to == nf && link->in_slot == slot &&
            awaits(link->consumer)) {
            acknowledge_end(&link->consumer, nf, ONVM_EDGE_IN, link->in_slot);
            return true;
        }
        if (role == ONVM_EDGE_OUT && link->from == nf && link->out_slot == slot &&
            awaits(link->producer)) {
            acknowledge_end(&link->producer, nf, ONVM_EDGE_OUT, link->out_slot);
            return true;
        }
    }
    return false;
}

void
link_forget_nf(struct node *node, struct nf *nf)
{
    for (struct link *link = node->links; link != NULL; link = link->next) {
        if (link->from == nf && !link->worker_made) {
            link->producer = LINK_GONE;
            link->from = NULL;
            link->wanted = false;
        }
        if (link->to == nf) {
            link->consumer_died = link->consumer != LINK_GONE;
            link->consumer = LINK_GONE;
            link->to = NULL;
            link->wanted = false;
        }
    }
}

static void
close_producer(struct node *node, struct link *link)
{
    link->drain_by = node_clock() + DRAIN_MS;
    if (link->worker_made) {
        worker_call(&node->worker[link->worker], clear_outlet, link);
        link->producer = LINK_GONE;
        return;
    }
    link->producer = LINK_CLOSING;
    session_close_edge(link->from, ONVM_EDGE_OUT, link->out_slot);
}

/* Slots in use, by what both ends say; clamped, for they may lie. */
static uint32_t
filled(const struct link *link)
{
    const struct onvm_edge *edge = link->edge.base;
    uint32_t tail = __atomic_load_n(&edge->tail, __ATOMIC_ACQUIRE);
    uint32_t count = __atomic_load_n(&edge->head, __ATOMIC_ACQUIRE) - tail;

    return count < link->slots ? count : link->slots;
}

static void
close_consumer(struct link *link)
{
    link->consumer = LINK_CLOSING;
    session_close_edge(link->to, ONVM_EDGE_IN, link->in_slot);
}

/* An end that is still opening has to be acknowledged before it can be closed. */
static void
advance(struct node *node, struct link *link)
{
    if (link->producer == LINK_OPEN)
        close_producer(node, link);
    if (link->producer != LINK_GONE || link->consumer != LINK_OPEN)
        return;
    if (link->drain_by == 0)
        link->drain_by = node_clock() + DRAIN_MS;
    if (filled(link) == 0 || node_clock() >= link->drain_by)
        close_consumer(link);
}

static void
release(struct node *node, struct link *link)
{
    reclaim_edge(node, link->edge.base, link->slots, link->to_id, link->consumer_died);
    shared_close(&link->edge);
    free(link);
}

uint32_t
link_waiting(const struct node *node, const struct nf *nf)
{
    uint32_t waiting = 0;

    for (const struct link *link = node->links; link != NULL; link = link->next)
        if (link->to == nf)
            waiting += filled(link);
    return waiting;
}

bool
link_mark_late(struct node *node)
{
    bool marked = false;

    for (struct link *link = node->links; link != NULL; link = link->next)
        if (link_opening(link) && node_clock() >= link->late_at)
            marked = link->late = true;
    return marked;
}

void
link_advance_all(struct node *node)
{
    struct link **place = &node->links;

    while (*place != NULL) {
        struct link *link = *place;
        if (!link->wanted)
            advance(node, link);
        if (!link->wanted && link->producer == LINK_GONE && link->consumer == LINK_GONE) {
            *place = link->next;
            release(node, link);
        } else {
            place = &link->next;
        }
    }
}

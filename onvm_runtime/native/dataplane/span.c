/* SPDX-License-Identifier: BSD-3-Clause */
#include "span.h"

#include <arpa/inet.h>
#include <rte_log.h>
#include <stdlib.h>
#include <string.h>

#include "arp.h"
#include "control.h"
#include "ways.h"
#include "worker.h"

#define L2_HEADER 18 /* Ethernet and one VLAN tag, beside the MTU */
#define MAC_AT 6     /* of a frame's sender */

/* A frame of our own, for the worker to send. */
struct sending {
    uint8_t port;
    uint32_t length;
    uint8_t bytes[WRAP_MOST + PROBE_MOST];
};

static void
send_frame(struct worker *worker, void *argument)
{
    const struct sending *sending = argument;
    struct port_queue *queue = worker->queue[sending->port];
    struct rte_mbuf *frame = queue != NULL ? rte_pktmbuf_alloc(worker->pool) : NULL;

    if (frame == NULL)
        return; /* the next one will find a buffer */
    memcpy(rte_pktmbuf_append(frame, (uint16_t)sending->length), sending->bytes, sending->length);
    queue->port->ops->transmit(queue, &frame, 1);
}

static void
send_by(struct node *node, const struct span *span, struct sending *sending)
{
    sending->port = span->port;
    worker_call(&node->worker[0], send_frame, sending);
}

struct installing {
    uint8_t id;
    struct span_end end;
};

static void
install_end(struct worker *worker, void *argument)
{
    const struct installing *installing = argument;
    struct span_ends *spans = &worker->spans;
    struct span_end *end = &spans->end[installing->id];
    uint32_t bit = 1u << installing->id;

    if (end->open)
        spans->at_port[end->port] &= ~bit;
    *end = installing->end;
    if (end->open)
        spans->at_port[end->port] |= bit;
}

/* Lets the workers know what the span is now. */
static void
tell_workers(struct node *node, const struct span *span)
{
    uint16_t mtu = span->mtu != 0 ? span->mtu : node->port[span->port]->mtu;
    struct installing installing = {
        .id = span->id,
        .end = {.open = true,
                .port = span->port,
                .longest = mtu + L2_HEADER,
                .wrap = span->wrap},
    };

    node_call(node, install_end, &installing);
}

void
span_install(struct node *node, struct span *span)
{
    memcpy(span->wrap.own_mac, node->port[span->port]->mac, sizeof(span->wrap.own_mac));
    node->span[span->id] = span;
    tell_workers(node, span);
}

void
span_free(struct span *span)
{
    if (span != NULL)
        json_decref(span->text);
    free(span);
}

static bool
is_used(const struct node *node, const struct span *span)
{
    for (unsigned id = 1; id < ONVM_MAX_CHAINS; id++) {
        const struct chain *chain = node->chain[id];
        if (chain != NULL && chain->exits && chain->exit.span == span->id)
            return true;
    }
    return span->listed;
}

void
span_remove_unused(struct node *node)
{
    for (uint8_t id = 0; id < ONVM_MAX_LINKS; id++) {
        struct span *span = node->span[id];
        struct installing nothing = {.id = id};
        if (span == NULL || is_used(node, span))
            continue;
        node_call(node, install_end, &nothing);
        node->span[id] = NULL;
        span_free(span);
    }
}

struct span *
span_find(struct span *const *spans, const char *name)
{
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (spans[id] != NULL && strcmp(spans[id]->name, name) == 0)
            return spans[id];
    return NULL;
}

static void
set_up(struct node *node, struct span *span, bool up)
{
    span->up = up;
    RTE_LOG(NOTICE, USER1, "link %s to node %s is %s\n", span->name, span->peer,
            up ? "up" : "down");
    control_announce_link(node, span->name, up);
}

static void
learn_mac(struct node *node, struct span *span, const uint8_t *mac)
{
    if (span->resolved && memcmp(span->wrap.next_mac, mac, 6) == 0)
        return;
    memcpy(span->wrap.next_mac, mac, 6);
    span->resolved = true;
    tell_workers(node, span);
}

static void
hear_probe(struct node *node, struct span *span, const struct letter *letter)
{
    const uint8_t *frame = rte_pktmbuf_mtod(letter->frame, const uint8_t *);
    uint32_t length = rte_pktmbuf_data_len(letter->frame);
    uint32_t head = wrap_probe_size(span->wrap.kind);
    struct probe probe;

    if (length < head || !probe_read(frame + head, length - head, &probe))
        return;
    if (span->wrap.kind != WRAP_VXLAN_GPE)
        learn_mac(node, span, frame + MAC_AT);
    liveness_hear(&span->liveness, &probe, node->attention.ms, letter->clock);
}

static void
answer_arp(struct node *node, const struct span *span, const struct arp *question)
{
    struct arp answer = {.sender = span->wrap.own_address, .target = question->sender};
    struct sending sending = {.length = ARP_FRAME};

    memcpy(answer.sender_mac, span->wrap.own_mac, 6);
    arp_write(sending.bytes, &answer, question->sender_mac);
    send_by(node, span, &sending);
}

static void
hear_arp(struct node *node, const struct letter *letter)
{
    struct arp arp;

    if (!arp_read(rte_pktmbuf_mtod(letter->frame, const uint8_t *),
                  rte_pktmbuf_data_len(letter->frame), &arp))
        return;
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++) {
        struct span *span = node->span[id];
        if (span == NULL || span->port != letter->port || span->wrap.kind != WRAP_VXLAN_GPE)
            continue;
        if (arp.sender == span->next_hop)
            learn_mac(node, span, arp.sender_mac);
        if (arp.request && arp.target == span->wrap.own_address)
            answer_arp(node, span, &arp);
    }
}

static void
read_letter(struct node *node, const struct letter *letter)
{
    struct span *span = letter->span < ONVM_MAX_LINKS ? node->span[letter->span] : NULL;

    if (letter->span == ONVM_MAX_LINKS)
        hear_arp(node, letter);
    if (span != NULL)
        hear_probe(node, span, letter);
}

static void
read_mail(struct node *node)
{
    struct letter letter;

    for (unsigned i = 0; i < node->workers; i++)
        while (rte_ring_dequeue_elem(node->worker[i].spans.mail, &letter, sizeof(letter)) == 0) {
            read_letter(node, &letter);
            rte_pktmbuf_free(letter.frame);
        }
}

/* Adds what comes by the span and cannot go on, beginning where the last probe had no room. */
static void
list_cut_off(const struct node *node, struct span *span, struct probe *probe)
{
    unsigned count = node->arrivals;

    for (unsigned i = 0; i < count && probe->count < PROBE_ENTRIES; i++) {
        const struct arrival *arrival = &node->arrival[(span->turn + i) % count];
        const struct chain *chain = node->chain[arrival->chain];
        if (arrival->key.span != span->id || chain == NULL || !ways_severed(node, chain))
            continue;
        probe->cut_off[probe->count++] = arrival->key.path_id << 8 | arrival->key.index;
        if (probe->count == PROBE_ENTRIES)
            span->turn = (span->turn + i + 1) % count;
    }
}

static void
send_probe(struct node *node, struct span *span)
{
    struct probe probe = {.hears = liveness_hears(&span->liveness, node->attention.ms),
                          .sent = span_clock()};
    struct sending sending;
    uint32_t head = wrap_probe_size(span->wrap.kind);

    if (span->liveness.heard) {
        probe.echo = span->liveness.their_clock;
        probe.held = probe.sent - span->liveness.came_at;
    }
    list_cut_off(node, span, &probe);
    sending.length = head + probe_write(sending.bytes + head, &probe);
    wrap_write_probe(&span->wrap, sending.length - head, sending.bytes);
    send_by(node, span, &sending);
}

static void
ask_arp(struct node *node, const struct span *span)
{
    struct arp question = {
        .request = true, .sender = span->wrap.own_address, .target = span->next_hop};
    struct sending sending = {.length = ARP_FRAME};

    memcpy(question.sender_mac, span->wrap.own_mac, 6);
    arp_write(sending.bytes, &question, NULL);
    send_by(node, span, &sending);
}

/* A routed span that is down asks again: its next hop may be another machine now. */
static void
speak(struct node *node, struct span *span, uint64_t now)
{
    span->probe_at = now + PROBE_MS;
    if (span->wrap.kind == WRAP_VXLAN_GPE && !span->up)
        ask_arp(node, span);
    if (now >= node->silent_until && (span->wrap.kind != WRAP_VXLAN_GPE || span->resolved))
        send_probe(node, span);
}

/* A silent node passes on what still comes: that nobody hears it is no fault of the link. */
static bool
passes(const struct node *node, const struct span *span, uint64_t now)
{
    if (now < node->silent_until)
        return liveness_hears(&span->liveness, node->attention.ms);
    return liveness_up(&span->liveness, node->attention.ms);
}

static void
follow(struct node *node, struct span *span, uint64_t now)
{
    bool up = span->resolved && passes(node, span, now);

    liveness_expire(&span->liveness, node->attention.ms);
    if (up != span->up)
        set_up(node, span, up);
}

/* News of ways spread at once and not with the next probe that is due. */
static void
hurry(struct node *node)
{
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (node->span[id] != NULL)
            node->span[id]->probe_at = 0;
}

void
span_advance(struct node *node)
{
    uint64_t now = node_clock();

    liveness_attend(&node->attention, now);
    read_mail(node);
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (node->span[id] != NULL)
            follow(node, node->span[id], now);
    if (ways_changed(node)) {
        ways_refresh(node);
        hurry(node);
    }
    for (unsigned id = 0; id < ONVM_MAX_LINKS; id++)
        if (node->span[id] != NULL && now >= node->span[id]->probe_at)
            speak(node, node->span[id], now);
}

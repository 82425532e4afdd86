/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spans: this node's ends of the links to other nodes ("links" in a chains file; here a
 * link is what joins two NFs, link.h).
 *
 * A span stands on a port.  Workers wrap what leaves a chain by it and unwrap what
 * comes (span_path.c); frames on that port which are not its own are classified like
 * any.  Probes and ARP go to the control thread by a mailbox, which alone knows the
 * state of a span:
 *
 *   down, unresolved   a routed span does not know its next hop: it asks by ARP
 *   down               it sends probes; none come that hear us
 *   up                 probes pass in both directions
 *
 * A chain that leaves by a span which is down, or whose way the other end says is cut
 * off, is severed: ways.h says what becomes of its packets.
 */
#ifndef ONVM_DATAPLANE_SPAN_H
#define ONVM_DATAPLANE_SPAN_H

#include <jansson.h>

#include "liveness.h"
#include "node.h"
#include "span_path.h"

#define SILENCE_MAX_SECONDS 3600 /* of node->silent_until */

struct span {
    char name[ONVM_NAME_MAX];
    char peer[ONVM_NAME_MAX]; /* the node at the other end */
    uint8_t id;
    uint8_t port;
    uint16_t mtu; /* of the wire; 0: the port's */
    struct wrap wrap;
    uint32_t next_hop; /* whose MAC address a routed span asks for */
    json_t *text;      /* as it came in the plan */
    bool listed;       /* in the plan */
    bool resolved;     /* the next hop's MAC address is known */
    bool up;
    uint64_t probe_at;
    unsigned turn; /* of cut-off ways that did not fit into the last probe */
    struct liveness liveness;
};

/*
 * Reads one item of "links" in a plan: a new span, or the same as one of the node's.  Puts it
 * into `planned`, by id; those that are not the node's are the caller's to free.
 */
bool span_read(const struct node *node, json_t *item, struct span **planned,
               struct failure *failure);

void span_free(struct span *span);

/* Takes a span that was read into use. */
void span_install(struct node *node, struct span *span);

/* Ends those that are not in the plan and that no chain leaves by any more. */
void span_remove_unused(struct node *node);

/* The span of that name among ONVM_MAX_LINKS; NULL: there is none. */
struct span *span_find(struct span *const *spans, const char *name);

/* Reads the mail, sends probes that are due, follows who is up. */
void span_advance(struct node *node);

#endif

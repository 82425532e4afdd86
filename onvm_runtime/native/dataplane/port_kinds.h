/* SPDX-License-Identifier: BSD-3-Clause */
/* What port.c and the kinds of ports share. */
#ifndef ONVM_DATAPLANE_PORT_KINDS_H
#define ONVM_DATAPLANE_PORT_KINDS_H

#include "parse.h"
#include "port.h"

#define PORT_L2_ROOM (FRAME_HEADER + VLAN_TAG) /* bytes that a frame may have beside its MTU */

/* Bytes of the longest frame that passes. */
static inline uint32_t
port_longest(const struct port *port)
{
    return (uint32_t)port->mtu + PORT_L2_ROOM;
}

/* Whether its longest frames need several buffers. */
static inline bool
port_is_jumbo(const struct port *port)
{
    return port->segments > 1;
}

/*
 * Open a port whose common fields are set; called within its namespace, with a
 * request whose keys port.c has checked.  They set mac, gathers, ops and state, and for
 * each queue receives, wait_fd and state.
 * False: nothing is left behind and failure says why.
 */
bool port_ethdev_open(struct port *port, json_t *request, struct failure *failure);
bool port_packet_open(struct port *port, json_t *request, struct failure *failure);

/*
 * Frees and counts what is too short or too long to be sent, and copies frames of several
 * buffers into one where the port does not gather; returns how many frames are left.
 */
uint16_t port_check_outgoing(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);

/* The text at `key`; NULL: there is none. */
static inline const char *
port_text(json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

/* Counts frames that were received or sent. */
static inline void
port_count(struct onvm_flow_count *count, uint64_t packets, uint64_t bytes)
{
    ONVM_COUNT(count->packets, packets);
    ONVM_COUNT(count->bytes, bytes);
}

/* Counts a frame that was refused on its way in. */
static inline void
port_refuse(struct port_queue *queue, enum onvm_drop_reason reason)
{
    ONVM_COUNT(queue->counters->rx_errors, 1);
    ONVM_COUNT(queue->node->dropped[reason], 1);
}

/* Counts frames that were refused on their way out. */
static inline void
port_refuse_sending(struct port_queue *queue, enum onvm_drop_reason reason, uint16_t frames)
{
    ONVM_COUNT(queue->counters->tx_dropped, frames);
    ONVM_COUNT(queue->node->dropped[reason], frames);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ethdev.h>
#include <string.h>

#include "checksum.h"
#include "ethdev.h"
#include "port_kinds.h"

/* The drivers that strip VLAN tags unasked leave them in the mbuf. */
static bool
restore_vlan(struct rte_mbuf *frame)
{
    uint8_t *start;

    if ((frame->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) == 0)
        return true;
    start = (uint8_t *)rte_pktmbuf_prepend(frame, VLAN_TAG);
    if (start == NULL)
        return false;
    memmove(start, start + VLAN_TAG, FRAME_MACS);
    frame_write_tag(start, RTE_ETHER_TYPE_VLAN, frame->vlan_tci);
    return true;
}

/* Makes a frame what port.h promises; ONVM_DROP_REASON_COUNT: it is, else why it cannot be. */
static inline unsigned
accept_frame(const struct port *port, struct rte_mbuf *frame)
{
    if (unlikely(frame->pkt_len < FRAME_HEADER))
        return ONVM_DROP_runt;
    if (unlikely(frame->nb_segs > 1 || !restore_vlan(frame) ||
                 frame->pkt_len > port_longest(port)))
        return ONVM_DROP_oversize;
    return ONVM_DROP_REASON_COUNT;
}

/* Drops what is not acceptable from a burst, and counts the rest; returns how many are left. */
static uint16_t
accept_burst(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    uint16_t accepted = 0;
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < count; i++) {
        unsigned reason = accept_frame(port, frames[i]);

        if (unlikely(reason != ONVM_DROP_REASON_COUNT)) {
            port_refuse(port, reason);
            rte_pktmbuf_free(frames[i]);
            continue;
        }
        frames[i]->ol_flags = RTE_MBUF_F_EXTERNAL; /* some drivers clear it */
        bytes += frames[i]->pkt_len;
        frames[accepted++] = frames[i];
    }
    port_count(&port->counters->rx, accepted, bytes);
    return accepted;
}

uint16_t
ethdev_receive(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev *ethdev = port->state;

    count = rte_eth_rx_burst(ethdev->id, 0, frames, count);
    return count == 0 ? 0 : accept_burst(port, frames, count);
}

/* Fills a region buffer with a frame of the private pool; false: it does not fit. */
static bool
copy_frame(struct rte_mbuf *to, const struct rte_mbuf *from)
{
    char *data = rte_pktmbuf_append(to, rte_pktmbuf_data_len(from));

    if (data == NULL || from->nb_segs > 1)
        return false;
    memcpy(data, rte_pktmbuf_mtod(from, const void *), rte_pktmbuf_data_len(from));
    return true;
}

/* What a kernel peer left undone (a veth's other end never finishes its checksums). */
static void
finish_checksum(struct port *port, struct rte_mbuf *frame)
{
    uint8_t *data = rte_pktmbuf_mtod(frame, uint8_t *);

    if (checksum_finish_partial(data, rte_pktmbuf_data_len(frame)))
        ONVM_COUNT(port->counters->rx_checksummed, 1);
}

/* Moves a burst from the private pool into the region; returns how many came through. */
static uint16_t
import_burst(struct port *port, struct rte_mbuf **from, uint16_t count, struct rte_mbuf **to)
{
    uint16_t copied = 0;

    for (uint16_t i = 0; i < count; i++) {
        if (!copy_frame(to[copied], from[i])) {
            port_refuse(port, ONVM_DROP_oversize);
            continue;
        }
        finish_checksum(port, to[copied++]);
    }
    rte_pktmbuf_free_bulk(from, count);
    rte_pktmbuf_free_bulk(to + copied, count - copied);
    return copied;
}

uint16_t
ethdev_receive_copying(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev *ethdev = port->state;
    struct rte_mbuf *received[ONVM_BURST];

    count = rte_eth_rx_burst(ethdev->id, 0, received, count);
    if (count == 0)
        return 0;
    if (rte_pktmbuf_alloc_bulk(port->region->pool, frames, count) != 0) {
        ONVM_COUNT(port->counters->rx_missed, count);
        ONVM_COUNT(port->node->dropped[ONVM_DROP_no_buffer], count);
        rte_pktmbuf_free_bulk(received, count);
        return 0;
    }
    return accept_burst(port, frames, import_burst(port, received, count, frames));
}

static uint64_t
burst_bytes(struct rte_mbuf **frames, uint16_t count)
{
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < count; i++)
        bytes += frames[i]->pkt_len;
    return bytes;
}

void
ethdev_transmit(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev *ethdev = port->state;
    uint64_t bytes;
    uint16_t sent;

    count = port_check_outgoing(port, frames, count);
    bytes = burst_bytes(frames, count); /* the driver may free them */
    sent = rte_eth_tx_burst(ethdev->id, 0, frames, count);
    if (unlikely(sent < count)) {
        bytes -= burst_bytes(frames + sent, count - sent);
        port_refuse_sending(port, ONVM_DROP_port_full, count - sent);
        rte_pktmbuf_free_bulk(frames + sent, count - sent);
    }
    port_count(&port->counters->tx, sent, bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ethdev.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>

#include "checksum.h"
#include "ethdev.h"
#include "port_kinds.h"
#include "reception.h"

static unsigned
finish_reception(const struct port_queue *queue, struct rte_mbuf *frame)
{
    bool finished;
    unsigned reason = reception_finish(frame, &finished);

    if (finished)
        ONVM_COUNT(queue->counters->rx_checksummed, 1);
    return reason;
}

/* Makes a frame what port.h promises; ONVM_DROP_REASON_COUNT: it is, else why it cannot be. */
static inline unsigned
accept_frame(const struct port_queue *queue, struct rte_mbuf *frame)
{
    if (unlikely(frame->data_len < FRAME_HEADER))
        return ONVM_DROP_runt;
    if (unlikely((frame->ol_flags & RECEPTION_UNDONE) != 0)) {
        unsigned reason = finish_reception(queue, frame);
        if (reason != ONVM_DROP_REASON_COUNT)
            return reason;
    }
    if (unlikely(frame->nb_segs > ONVM_MAX_SEGMENTS ||
                 frame->pkt_len > port_longest(queue->port)))
        return ONVM_DROP_oversize;
    return ONVM_DROP_REASON_COUNT;
}

/*
 * Whether all frames have one segment, a length that the port allows, and none of these
 * flags, as nearly always; their bytes.
 */
static inline bool
all_plain(const struct port *port, struct rte_mbuf **frames, uint16_t count, uint64_t flags,
          uint64_t *bytes)
{
    uint32_t range = port_longest(port) - FRAME_HEADER;
    uint64_t odd = 0, sum = 0;

    for (uint16_t i = 0; i < count; i++) {
        const struct rte_mbuf *frame = frames[i];

        odd |= (frame->pkt_len - FRAME_HEADER > range) | (frame->nb_segs ^ 1u) |
               (frame->ol_flags & flags);
        sum += frame->pkt_len;
    }
    *bytes = sum;
    return odd == 0;
}

/* Drops what is not acceptable from a burst, and counts the rest; returns how many are left. */
static uint16_t
accept_each(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    uint16_t accepted = 0;
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < count; i++) {
        unsigned reason = accept_frame(queue, frames[i]);

        if (unlikely(reason != ONVM_DROP_REASON_COUNT)) {
            port_refuse(queue, reason);
            rte_pktmbuf_free(frames[i]);
            continue;
        }
        bytes += frames[i]->pkt_len;
        frames[accepted++] = frames[i];
    }
    port_count(&queue->counters->rx, accepted, bytes);
    return accepted;
}

static inline uint16_t
accept_burst(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    uint64_t bytes;

    if (unlikely(!all_plain(queue->port, frames, count, RECEPTION_UNDONE, &bytes)))
        return accept_each(queue, frames, count);
    port_count(&queue->counters->rx, count, bytes);
    return count;
}

uint16_t
ethdev_receive(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev_queue *own = queue->state;

    count = rte_eth_rx_burst(own->id, own->receive, frames, count);
    return count == 0 ? 0 : accept_burst(queue, frames, count);
}

/* The event that counts the device's interrupts is read, or it would wake the worker for ever. */
void
ethdev_watch(struct port_queue *queue, bool watched)
{
    const struct ethdev_queue *own = queue->state;
    eventfd_t interrupts;

    if (watched) {
        rte_eth_dev_rx_intr_enable(own->id, own->receive);
        return;
    }
    rte_eth_dev_rx_intr_disable(own->id, own->receive);
    eventfd_read(queue->wait_fd, &interrupts);
}

/* A file gives nothing only at its end, or when there is no buffer to read into. */
uint16_t
ethdev_receive_file(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev_queue *own = queue->state;
    uint16_t received = rte_eth_rx_burst(own->id, own->receive, frames, count);

    if (received > 0)
        return accept_burst(queue, frames, received);
    if (!queue->ended && rte_mempool_avail_count(queue->pool) >= count)
        __atomic_store_n(&queue->ended, true, __ATOMIC_RELAXED);
    return 0;
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
finish_checksum(struct port_queue *queue, struct rte_mbuf *frame)
{
    uint8_t *data = rte_pktmbuf_mtod(frame, uint8_t *);

    if (checksum_finish_partial(data, rte_pktmbuf_data_len(frame)))
        ONVM_COUNT(queue->counters->rx_checksummed, 1);
}

/* Moves a burst from the private pool into the region; returns how many came through. */
static uint16_t
import_burst(struct port_queue *queue, struct rte_mbuf **from, uint16_t count, struct rte_mbuf **to)
{
    uint16_t copied = 0;

    for (uint16_t i = 0; i < count; i++) {
        if (!copy_frame(to[copied], from[i])) {
            port_refuse(queue, ONVM_DROP_oversize);
            continue;
        }
        finish_checksum(queue, to[copied++]);
    }
    rte_pktmbuf_free_bulk(from, count);
    rte_pktmbuf_free_bulk(to + copied, count - copied);
    return copied;
}

uint16_t
ethdev_receive_copying(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev_queue *own = queue->state;
    struct rte_mbuf *received[ONVM_BURST];

    count = rte_eth_rx_burst(own->id, own->receive, received, count);
    if (count == 0)
        return 0;
    if (rte_pktmbuf_alloc_bulk(queue->pool, frames, count) != 0) {
        ONVM_COUNT(queue->counters->rx_missed, count);
        ONVM_COUNT(queue->node->dropped[ONVM_DROP_no_buffer], count);
        rte_pktmbuf_free_bulk(received, count);
        return 0;
    }
    return accept_burst(queue, frames, import_burst(queue, received, count, frames));
}

static uint64_t
burst_bytes(struct rte_mbuf **frames, uint16_t count)
{
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < count; i++)
        bytes += frames[i]->pkt_len;
    return bytes;
}

/* Workers that share a queue take turns; one that must wait lets the other finish. */
static uint16_t
send_burst(const struct ethdev_queue *own, struct rte_mbuf **frames, uint16_t count)
{
    uint16_t sent;

    if (likely(own->turn == NULL))
        return rte_eth_tx_burst(own->id, own->transmit, frames, count);
    while (!rte_spinlock_trylock(own->turn))
        sched_yield();
    sent = rte_eth_tx_burst(own->id, own->transmit, frames, count);
    rte_spinlock_unlock(own->turn);
    return sent;
}

void
ethdev_transmit(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    const struct ethdev_queue *own = queue->state;
    uint64_t bytes;
    uint16_t sent;

    if (unlikely(!all_plain(queue->port, frames, count, 0, &bytes))) {
        count = port_check_outgoing(queue, frames, count);
        bytes = burst_bytes(frames, count); /* now: the driver may free them */
    }
    sent = send_burst(own, frames, count);
    if (unlikely(sent < count)) {
        bytes -= burst_bytes(frames + sent, count - sent);
        port_refuse_sending(queue, ONVM_DROP_port_full, count - sent);
        rte_pktmbuf_free_bulk(frames + sent, count - sent);
    }
    port_count(&queue->counters->tx, sent, bytes);
}

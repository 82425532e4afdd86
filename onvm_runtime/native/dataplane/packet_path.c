/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>

#include "checksum.h"
#include "frame.h"
#include "packet.h"
#include "port_kinds.h"

static struct tpacket2_hdr *
slot_at(const struct packet *packet)
{
    return (struct tpacket2_hdr *)(packet->ring + (size_t)packet->next * packet->slot_size);
}

static void
slot_release(struct packet *packet)
{
    __atomic_store_n(&slot_at(packet)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    packet->next = (packet->next + 1) % PACKET_SLOTS;
    packet->arrival.length = 0;
}

/* Reads the frame that did not fit into its slot.  False: it is lost, or too large for IP. */
static bool
receive_large(struct packet *packet)
{
    struct arrival *arrival = &packet->arrival;
    struct iovec part[2] = {{&arrival->header, sizeof(arrival->header)},
                            {packet->large + VLAN_TAG, PACKET_LARGE}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t length;

    do
        length = recvmsg(packet->socket, &message, MSG_DONTWAIT);
    while (length < 0 && errno == ENETDOWN); /* news of the interface, which recvmsg gives once */
    if (length <= (ssize_t)sizeof(arrival->header) || (message.msg_flags & MSG_TRUNC) != 0)
        return false;
    arrival->data = packet->large + VLAN_TAG;
    arrival->length = (uint32_t)length - sizeof(arrival->header);
    return true;
}

static void
receive_small(struct arrival *arrival, struct tpacket2_hdr *slot)
{
    arrival->data = (uint8_t *)slot + slot->tp_mac;
    arrival->length = slot->tp_snaplen;
    memcpy(&arrival->header, arrival->data - sizeof(arrival->header), sizeof(arrival->header));
}

/* Puts the tag back that the kernel took out; there is room in front of every frame. */
static void
restore_vlan(struct arrival *arrival, const struct tpacket2_hdr *slot)
{
    bool named = (slot->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;

    if ((slot->tp_status & TP_STATUS_VLAN_VALID) == 0 || arrival->length < FRAME_HEADER)
        return;
    arrival->data -= VLAN_TAG;
    arrival->length += VLAN_TAG;
    memmove(arrival->data, arrival->data + VLAN_TAG, FRAME_MACS);
    frame_write_tag(arrival->data, named ? slot->tp_vlan_tpid : ETH_P_8021Q, slot->tp_vlan_tci);
    arrival->header.csum_start += VLAN_TAG;
}

/* Whether the frame can be passed on; counts why not. */
static bool
accept_arrival(struct port_queue *queue, struct arrival *arrival)
{
    if (arrival->length < FRAME_HEADER) {
        port_refuse(queue, ONVM_DROP_runt);
    } else if (arrival->header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (segmentation_begin(&arrival->cut, arrival->data, arrival->length, &arrival->header,
                               queue->port->mtu)) {
            ONVM_COUNT(queue->counters->rx_segmented, 1);
            return true;
        }
        port_refuse(queue, ONVM_DROP_segmentation);
    } else if (arrival->length > port_longest(queue->port)) {
        port_refuse(queue, ONVM_DROP_oversize);
    } else {
        return true;
    }
    return false;
}

/* Takes what the slot has.  False: nothing that can be passed on. */
static bool
open_slot(struct port_queue *queue, struct packet *packet, struct tpacket2_hdr *slot)
{
    if ((slot->tp_status & TP_STATUS_COPY) != 0) {
        if (!receive_large(packet)) {
            port_refuse(queue, ONVM_DROP_segmentation);
            return false;
        }
    } else if (slot->tp_snaplen < slot->tp_len) { /* the socket's queue was full */
        ONVM_COUNT(queue->counters->rx_missed, 1);
        return false;
    } else {
        receive_small(&packet->arrival, slot);
    }
    restore_vlan(&packet->arrival, slot);
    return accept_arrival(queue, &packet->arrival);
}

/* Whether a frame waits, taking the next from the ring if none does. */
static bool
arrival_ready(struct port_queue *queue, struct packet *packet)
{
    while (packet->arrival.length == 0) {
        struct tpacket2_hdr *slot = slot_at(packet);

        if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
            return false;
        if (!open_slot(queue, packet, slot))
            slot_release(packet);
    }
    return true;
}

/* Finishes the checksum where it lies; false: the virtio-net header makes no sense. */
static bool
finish(struct port_queue *queue, struct arrival *arrival)
{
    if ((arrival->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
        return true;
    ONVM_COUNT(queue->counters->rx_checksummed, 1);
    if (arrival->header.csum_offset == CHECKSUM_SCTP)
        return checksum_finish_sctp(arrival->data, arrival->length, arrival->header.csum_start);
    return checksum_finish(arrival->data, arrival->length, arrival->header.csum_start,
                           arrival->header.csum_offset);
}

static bool
is_large(const struct arrival *arrival)
{
    return arrival->header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

static void
take_segment(struct packet *packet, struct rte_mbuf *frame)
{
    if (frame->nb_segs == 1) {
        segmentation_next(&packet->arrival.cut, rte_pktmbuf_mtod(frame, uint8_t *));
        return;
    }
    segmentation_next(&packet->arrival.cut, packet->jumbo);
    frame_fill(frame, packet->jumbo);
}

/* Bytes of the frame that take_frame would move next. */
static uint32_t
next_size(const struct arrival *arrival)
{
    return is_large(arrival) ? segmentation_size(&arrival->cut) : arrival->length;
}

/* Moves the next frame of the arrival, and gives its slot back after the last.  False: it is no
 * good. */
static bool
take_frame(struct port_queue *queue, struct packet *packet, struct rte_mbuf *frame)
{
    struct arrival *arrival = &packet->arrival;
    bool good = true;

    if (is_large(arrival)) {
        take_segment(packet, frame);
        if (segmentation_pending(&arrival->cut))
            return true;
    } else {
        good = finish(queue, arrival);
        frame_fill(frame, arrival->data);
    }
    slot_release(packet);
    return good;
}

uint16_t
packet_receive(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    struct packet *packet = queue->state;
    uint64_t bytes = 0;
    uint16_t n = 0;

    while (n < count && arrival_ready(queue, packet)) {
        struct rte_mbuf *frame = frame_new(queue->pool, next_size(&packet->arrival));

        if (frame == NULL)
            break;
        if (!take_frame(queue, packet, frame)) {
            port_refuse(queue, ONVM_DROP_malformed);
            rte_pktmbuf_free(frame);
            continue;
        }
        bytes += frame->pkt_len;
        frames[n++] = frame;
    }
    if (n != 0)
        port_count(&queue->counters->rx, n, bytes);
    return n;
}

/* Counts why the kernel did not take the first of `left` frames; returns how many that ends. */
static uint16_t
refuse_first(struct port_queue *queue, uint16_t left)
{
    if (errno == EMSGSIZE) { /* the interface takes less than the port */
        port_refuse_sending(queue, ONVM_DROP_oversize, 1);
        return 1;
    }
    if (errno == ENOBUFS || errno == EAGAIN)
        port_refuse_sending(queue, ONVM_DROP_port_full, left);
    else
        port_refuse_sending(queue, ONVM_DROP_port_unknown, left);
    return left;
}

static uint64_t
frame_bytes(struct rte_mbuf **frames, int count)
{
    uint64_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += frames[i]->pkt_len;
    return bytes;
}

static void
send_all(struct port_queue *queue, struct packet *packet, struct rte_mbuf **frames,
         uint16_t count)
{
    for (uint16_t done = 0; done < count;) {
        struct mmsghdr *message = packet->outgoing.message + done;
        int sent = sendmmsg(packet->socket, message, count - done, MSG_DONTWAIT);

        if (sent <= 0) {
            done += refuse_first(queue, count - done);
            continue;
        }
        port_count(&queue->counters->tx, (uint64_t)sent, frame_bytes(frames + done, sent));
        done += (uint16_t)sent;
    }
}

static void
describe_message(struct outgoing *outgoing, uint16_t i, const struct rte_mbuf *frame)
{
    struct iovec *part = outgoing->part[i];

    outgoing->message[i].msg_hdr.msg_iovlen = 1u + frame->nb_segs;
    for (; frame != NULL; frame = frame->next)
        *++part = (struct iovec){
            .iov_base = rte_pktmbuf_mtod(frame, void *),
            .iov_len = rte_pktmbuf_data_len(frame),
        };
}

void
packet_transmit(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    struct packet *packet = queue->state;

    count = port_check_outgoing(queue, frames, count);
    for (uint16_t i = 0; i < count; i++)
        describe_message(&packet->outgoing, i, frames[i]);
    send_all(queue, packet, frames, count);
    rte_pktmbuf_free_bulk(frames, count);
}

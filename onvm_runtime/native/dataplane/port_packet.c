/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports on a packet socket, for interfaces of the kernel.
 *
 * Our own and not DPDK's af_packet driver, because only a virtio-net header in
 * front of each frame (PACKET_VNET_HDR) tells what a kernel peer left undone: a
 * checksum to finish, a large segment to cut up.
 *
 * Receiving is by a ring that the kernel fills without a system call of ours.  A
 * frame that does not fit into a slot of it (a large segment) is put whole into
 * the socket's queue as well, in the same order, and read from there.  A frame is
 * copied once, from the ring or from `large` into its buffer of the packet
 * region.  One that makes several is kept until all are taken; so is its slot.
 * Without free buffers frames wait in the ring, and the kernel counts what it loses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checksum.h"
#include "interface.h"
#include "port_kinds.h"
#include "segmentation.h"

#define SLOTS 2048
#define BLOCK (64u << 10)
#define SLOT_OVERHEAD 128 /* the kernel's headers in front of a frame, generously */
#define LARGE (72u << 10) /* the largest segment that IP can name, and headers */
#define SOCKET_BUFFER (32 << 20)

/* A frame that the kernel gave us. */
struct arrival {
    uint8_t *data;
    uint32_t length; /* 0: none */
    struct virtio_net_hdr header;
    struct segmentation cut; /* if header.gso_type says so */
};

struct outgoing {
    struct mmsghdr message[ONVM_BURST];
    struct iovec part[ONVM_BURST][2]; /* an empty virtio-net header, the frame */
};

struct packet {
    int socket;
    int index; /* of the interface when it was opened */
    struct interface kernel;
    uint8_t *ring; /* SLOTS slots */
    uint32_t slot_size;
    uint32_t next; /* slot to look at */
    struct arrival arrival;
    struct outgoing outgoing;
    uint8_t large[VLAN_TAG + LARGE];
};

/* ---- Receive ---- */

static struct tpacket2_hdr *
slot_at(const struct packet *packet)
{
    return (struct tpacket2_hdr *)(packet->ring + (size_t)packet->next * packet->slot_size);
}

static void
slot_release(struct packet *packet)
{
    __atomic_store_n(&slot_at(packet)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    packet->next = (packet->next + 1) % SLOTS;
    packet->arrival.length = 0;
}

/* Reads the frame that did not fit into its slot.  False: it is lost, or too large for IP. */
static bool
receive_large(struct packet *packet)
{
    struct arrival *arrival = &packet->arrival;
    struct iovec part[2] = {{&arrival->header, sizeof(arrival->header)},
                            {packet->large + VLAN_TAG, LARGE}};
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
accept_arrival(struct port *port, struct arrival *arrival)
{
    if (arrival->length < FRAME_HEADER) {
        port_refuse(port, ONVM_DROP_runt);
    } else if (arrival->header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (segmentation_begin(&arrival->cut, arrival->data, arrival->length, &arrival->header,
                               port->mtu)) {
            ONVM_COUNT(port->counters->rx_segmented, 1);
            return true;
        }
        port_refuse(port, ONVM_DROP_segmentation);
    } else if (arrival->length > port_longest(port)) {
        port_refuse(port, ONVM_DROP_oversize);
    } else {
        return true;
    }
    return false;
}

/* Takes what the slot has.  False: nothing that can be passed on. */
static bool
open_slot(struct port *port, struct packet *packet, struct tpacket2_hdr *slot)
{
    if ((slot->tp_status & TP_STATUS_COPY) != 0) {
        if (!receive_large(packet)) {
            port_refuse(port, ONVM_DROP_segmentation);
            return false;
        }
    } else if (slot->tp_snaplen < slot->tp_len) { /* the socket's queue was full */
        ONVM_COUNT(port->counters->rx_missed, 1);
        return false;
    } else {
        receive_small(&packet->arrival, slot);
    }
    restore_vlan(&packet->arrival, slot);
    return accept_arrival(port, &packet->arrival);
}

/* Whether a frame waits, taking the next from the ring if none does. */
static bool
arrival_ready(struct port *port, struct packet *packet)
{
    while (packet->arrival.length == 0) {
        struct tpacket2_hdr *slot = slot_at(packet);

        if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
            return false;
        if (!open_slot(port, packet, slot))
            slot_release(packet);
    }
    return true;
}

/* Moves an ordinary frame; false: its virtio-net header makes no sense. */
static bool
take_whole(struct port *port, struct arrival *arrival, struct rte_mbuf *frame)
{
    uint8_t *data = (uint8_t *)rte_pktmbuf_append(frame, (uint16_t)arrival->length);

    memcpy(data, arrival->data, arrival->length);
    if ((arrival->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
        return true;
    ONVM_COUNT(port->counters->rx_checksummed, 1);
    if (arrival->header.csum_offset == CHECKSUM_SCTP)
        return checksum_finish_sctp(data, arrival->length, arrival->header.csum_start);
    return checksum_finish(data, arrival->length, arrival->header.csum_start,
                           arrival->header.csum_offset);
}

static void
take_segment(struct arrival *arrival, struct rte_mbuf *frame)
{
    uint32_t size = segmentation_size(&arrival->cut);

    segmentation_next(&arrival->cut, (uint8_t *)rte_pktmbuf_append(frame, (uint16_t)size));
}

/* Moves the next frame of the arrival, and gives its slot back after the last. */
static bool
take_frame(struct port *port, struct packet *packet, struct rte_mbuf *frame)
{
    struct arrival *arrival = &packet->arrival;
    bool good = true;

    if (arrival->header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        take_segment(arrival, frame);
        if (segmentation_pending(&arrival->cut))
            return true;
    } else {
        good = take_whole(port, arrival, frame);
    }
    slot_release(packet);
    return good;
}

static uint16_t
packet_receive(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    struct packet *packet = port->state;
    uint64_t bytes = 0;
    uint16_t n = 0;

    while (n < count && arrival_ready(port, packet)) {
        struct rte_mbuf *frame = rte_pktmbuf_alloc(port->region->pool);

        if (frame == NULL)
            break;
        if (!take_frame(port, packet, frame)) {
            port_refuse(port, ONVM_DROP_malformed);
            rte_pktmbuf_free(frame);
            continue;
        }
        bytes += frame->pkt_len;
        frames[n++] = frame;
    }
    if (n != 0)
        port_count(&port->counters->rx, n, bytes);
    return n;
}

/* ---- Transmit ---- */

static void
outgoing_prepare(struct outgoing *outgoing)
{
    static struct virtio_net_hdr plain; /* nothing left to do, never written */

    for (unsigned i = 0; i < ONVM_BURST; i++) {
        outgoing->part[i][0] = (struct iovec){&plain, sizeof(plain)};
        outgoing->message[i].msg_hdr.msg_iov = outgoing->part[i];
        outgoing->message[i].msg_hdr.msg_iovlen = 2;
    }
}

/* Counts why the kernel did not take the first of `left` frames; returns how many that ends. */
static uint16_t
refuse_first(struct port *port, uint16_t left)
{
    if (errno == EMSGSIZE) { /* the interface takes less than the port */
        port_refuse_sending(port, ONVM_DROP_oversize, 1);
        return 1;
    }
    if (errno == ENOBUFS || errno == EAGAIN)
        port_refuse_sending(port, ONVM_DROP_port_full, left);
    else
        port_refuse_sending(port, ONVM_DROP_port_unknown, left);
    return left;
}

static uint64_t
message_bytes(const struct mmsghdr *message, int count)
{
    uint64_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += message[i].msg_hdr.msg_iov[1].iov_len;
    return bytes;
}

static void
send_all(struct port *port, struct packet *packet, uint16_t count)
{
    for (uint16_t done = 0; done < count;) {
        struct mmsghdr *message = packet->outgoing.message + done;
        int sent = sendmmsg(packet->socket, message, count - done, MSG_DONTWAIT);

        if (sent <= 0) {
            done += refuse_first(port, count - done);
            continue;
        }
        port_count(&port->counters->tx, (uint64_t)sent, message_bytes(message, sent));
        done += (uint16_t)sent;
    }
}

static void
packet_transmit(struct port *port, struct rte_mbuf **frames, uint16_t count)
{
    struct packet *packet = port->state;

    count = port_check_outgoing(port, frames, count);
    for (uint16_t i = 0; i < count; i++)
        packet->outgoing.part[i][1] = (struct iovec){
            .iov_base = rte_pktmbuf_mtod(frames[i], void *),
            .iov_len = rte_pktmbuf_data_len(frames[i]),
        };
    send_all(port, packet, count);
    rte_pktmbuf_free_bulk(frames, count);
}

/* ---- State ---- */

/* An interface that was removed and made again is another one, which this socket does not hear. */
static bool
packet_up(struct port *port)
{
    const struct packet *packet = port->state;
    socklen_t size = sizeof(int);
    int error;

    getsockopt(packet->socket, SOL_SOCKET, SO_ERROR, &error, &size); /* clears it */
    return interface_index(&packet->kernel) == packet->index && interface_up(&packet->kernel);
}

static void
packet_refresh(struct port *port)
{
    const struct packet *packet = port->state;
    struct tpacket_stats stats; /* since the last time */
    socklen_t size = sizeof(stats);

    if (getsockopt(packet->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        ONVM_COUNT(port->counters->rx_missed, stats.tp_drops);
}

/* Undoes as much of port_packet_open as was done. */
static void
packet_free(struct packet *packet)
{
    if (packet->ring != MAP_FAILED)
        munmap(packet->ring, (size_t)SLOTS * packet->slot_size);
    if (packet->socket >= 0)
        close(packet->socket);
    free(packet);
}

static void
packet_close(struct port *port)
{
    packet_free(port->state);
}

static const struct port_ops packet_ops = {
    .receive = packet_receive,
    .transmit = packet_transmit,
    .up = packet_up,
    .refresh = packet_refresh,
    .close = packet_close,
};

/* ---- Opening ---- */

static bool
set_option(const struct packet *packet, int level, int option, const char *name, int value,
           struct failure *failure)
{
    if (setsockopt(packet->socket, level, option, &value, sizeof(value)) != 0)
        return fail(failure, "cannot set %s on a packet socket: %s", name, strerror(errno));
    return true;
}

#define SET(level, option, value) set_option(packet, level, option, #option, value, failure)

static bool
open_socket(struct packet *packet, struct failure *failure)
{
    packet->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* hears nothing yet */
    if (packet->socket < 0)
        return fail(failure, "cannot open a packet socket: %s; this needs CAP_NET_RAW",
                    strerror(errno));
    packet->kernel.socket = packet->socket;
    return SET(SOL_PACKET, PACKET_VERSION, TPACKET_V2) && SET(SOL_PACKET, PACKET_VNET_HDR, 1) &&
           SET(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1) &&
           SET(SOL_PACKET, PACKET_QDISC_BYPASS, 1) && SET(SOL_PACKET, PACKET_COPY_THRESH, 1) &&
           SET(SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) &&
           SET(SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
}

static bool
map_ring(const struct port *port, struct packet *packet, struct failure *failure)
{
    struct tpacket_req request;

    for (packet->slot_size = 2048; packet->slot_size < SLOT_OVERHEAD + port_longest(port);)
        packet->slot_size *= 2;
    request = (struct tpacket_req){
        .tp_block_size = BLOCK,
        .tp_block_nr = SLOTS / (BLOCK / packet->slot_size),
        .tp_frame_size = packet->slot_size,
        .tp_frame_nr = SLOTS,
    };
    if (setsockopt(packet->socket, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) == 0)
        packet->ring = mmap(NULL, (size_t)SLOTS * packet->slot_size, PROT_READ | PROT_WRITE,
                            MAP_SHARED, packet->socket, 0);
    if (packet->ring == MAP_FAILED)
        return fail(failure, "cannot map a ring of %u KiB: %s",
                    SLOTS * packet->slot_size >> 10, strerror(errno));
    return true;
}

/* The membership ends with the socket. */
static bool
listen_to(const struct packet *packet, struct failure *failure)
{
    struct packet_mreq membership = {.mr_ifindex = packet->index, .mr_type = PACKET_MR_PROMISC};
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = packet->index,
    };

    if (setsockopt(packet->socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership,
                   sizeof(membership)) != 0 ||
        bind(packet->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
        return fail(failure, "cannot listen to %s: %s", packet->kernel.name, strerror(errno));
    return true;
}

static bool
bring_up(struct port *port, struct packet *packet, json_t *request, struct failure *failure)
{
    strcpy(packet->kernel.name, port_text(request, "interface"));
    outgoing_prepare(&packet->outgoing);
    if (!open_socket(packet, failure) ||
        !interface_mac(&packet->kernel, port->mac, failure) ||
        !interface_takes(&packet->kernel, port->mtu, failure))
        return false;
    packet->index = interface_index(&packet->kernel);
    return map_ring(port, packet, failure) && listen_to(packet, failure);
}

bool
port_packet_open(struct port *port, json_t *request, struct failure *failure)
{
    struct packet *packet = calloc(1, sizeof(*packet));

    if (packet == NULL)
        return fail(failure, "no memory for a port");
    packet->socket = -1;
    packet->ring = MAP_FAILED;
    if (!bring_up(port, packet, request, failure)) {
        packet_free(packet);
        return false;
    }
    port->ops = &packet_ops;
    port->state = packet;
    port->wait_fd = packet->socket;
    return true;
}

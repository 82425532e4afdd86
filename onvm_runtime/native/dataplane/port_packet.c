/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports on a packet socket, for interfaces of the kernel.
 *
 * Our own and not DPDK's af_packet driver, because only a virtio-net header in
 * front of each frame (PACKET_VNET_HDR) tells what a kernel peer left undone: a
 * checksum to finish, a large segment to cut up.
 *
 * Each worker has a socket.  Together they are a fan-out group, in which the kernel
 * gives a flow's frames, of both directions, to one of them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packet.h"
#include "port_kinds.h"

#define BLOCK (64u << 10)
#define SLOT_OVERHEAD 128 /* the kernel's headers in front of a frame, generously */
#define SOCKET_BUFFER (32 << 20)

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

/* An interface that was removed and made again is another one, which this socket does not hear. */
static bool
packet_up(struct port *port)
{
    const struct packet *packet = port->queue[0].state;
    socklen_t size = sizeof(int);
    int error;

    for (unsigned i = 0; i < port->queues; i++) /* clears it */
        getsockopt(port->queue[i].wait_fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return interface_index(&packet->kernel) == packet->index && interface_up(&packet->kernel);
}

static void
packet_refresh(struct port_queue *queue)
{
    const struct packet *packet = queue->state;
    struct tpacket_stats stats; /* since the last time */
    socklen_t size = sizeof(stats);

    if (getsockopt(packet->socket, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        ONVM_COUNT(queue->counters->rx_missed, stats.tp_drops);
}

/* Undoes as much of open_queue as was done. */
static void
packet_free(struct packet *packet)
{
    if (packet->ring != MAP_FAILED)
        munmap(packet->ring, (size_t)PACKET_SLOTS * packet->slot_size);
    if (packet->socket >= 0)
        close(packet->socket);
    free(packet);
}

static void
packet_close(struct port *port)
{
    for (unsigned i = 0; i < port->queues; i++)
        if (port->queue[i].state != NULL)
            packet_free(port->queue[i].state);
}

static const struct port_ops packet_ops = {
    .receive = packet_receive,
    .transmit = packet_transmit,
    .up = packet_up,
    .refresh = packet_refresh,
    .close = packet_close,
};

static void
outgoing_prepare(struct outgoing *outgoing)
{
    static struct virtio_net_hdr plain; /* nothing left to do, never written */

    for (unsigned i = 0; i < ONVM_BURST; i++) {
        outgoing->part[i][0] = (struct iovec){&plain, sizeof(plain)};
        outgoing->message[i].msg_hdr.msg_iov = outgoing->part[i];
    }
}

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
        .tp_block_nr = PACKET_SLOTS / (BLOCK / packet->slot_size),
        .tp_frame_size = packet->slot_size,
        .tp_frame_nr = PACKET_SLOTS,
    };
    if (setsockopt(packet->socket, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) == 0)
        packet->ring = mmap(NULL, (size_t)PACKET_SLOTS * packet->slot_size, PROT_READ | PROT_WRITE,
                            MAP_SHARED, packet->socket, 0);
    if (packet->ring == MAP_FAILED)
        return fail(failure, "cannot map a ring of %u KiB: %s",
                    PACKET_SLOTS * packet->slot_size >> 10, strerror(errno));
    return true;
}

/* Lets the socket hear nothing at all, until it is in its group, or all that comes. */
static bool
set_deaf(const struct packet *packet, bool deaf, struct failure *failure)
{
    static struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog filter = {.len = 1, .filter = &nothing};
    int option = deaf ? SO_ATTACH_FILTER : SO_DETACH_FILTER;

    if (setsockopt(packet->socket, SOL_SOCKET, option, &filter, sizeof(filter)) != 0)
        return fail(failure, "cannot set a filter on a packet socket: %s", strerror(errno));
    return true;
}

/*
 * Makes the group with the first socket, and joins it with the others.  A member can
 * only join while it is bound, so a bound one must be deaf, or it would hear twice
 * what the group hears.
 */
static bool
join_group(const struct packet *packet, int *group, struct failure *failure)
{
    int type = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
    int wanted = *group >= 0 ? *group | type << 16
                             : (type | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    socklen_t size = sizeof(*group);

    if (!SET(SOL_PACKET, PACKET_FANOUT, wanted))
        return false;
    if (*group < 0 &&
        getsockopt(packet->socket, SOL_PACKET, PACKET_FANOUT, group, &size) != 0)
        return fail(failure, "cannot read the group of a packet socket: %s", strerror(errno));
    *group &= 0xffff;
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
    return map_ring(port, packet, failure);
}

static bool
open_queue(struct port *port, struct port_queue *queue, json_t *request, struct failure *failure)
{
    struct packet *packet = calloc(1, sizeof(*packet));

    if (packet == NULL)
        return fail(failure, "no memory for a port");
    packet->socket = -1;
    packet->ring = MAP_FAILED;
    queue->state = packet;
    if (!bring_up(port, packet, request, failure))
        return false;
    queue->wait_fd = packet->socket;
    return true;
}

/* Without other workers there is no group to be in. */
static bool
listen_together(struct port *port, struct failure *failure)
{
    int group = -1;

    if (port->queues == 1)
        return listen_to(port->queue[0].state, failure);
    for (unsigned i = 0; i < port->queues; i++)
        if (!set_deaf(port->queue[i].state, true, failure) ||
            !listen_to(port->queue[i].state, failure) ||
            !join_group(port->queue[i].state, &group, failure))
            return false;
    for (unsigned i = 0; i < port->queues; i++)
        if (!set_deaf(port->queue[i].state, false, failure))
            return false;
    return true;
}

static bool
open_queues(struct port *port, json_t *request, struct failure *failure)
{
    for (unsigned i = 0; i < port->queues; i++)
        if (!open_queue(port, &port->queue[i], request, failure))
            return false;
    return listen_together(port, failure);
}

bool
port_packet_open(struct port *port, json_t *request, struct failure *failure)
{
    port->ops = &packet_ops;
    port->gathers = true;
    if (open_queues(port, request, failure))
        return true;
    packet_close(port);
    return false;
}

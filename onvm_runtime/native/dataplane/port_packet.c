/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports on a packet socket, for interfaces of the kernel.
 *
 * Our own and not DPDK's af_packet driver, because only a virtio-net header in
 * front of each frame (PACKET_VNET_HDR) tells what a kernel peer left undone: a
 * checksum to finish, a large segment to cut up.
 */
#include <arpa/inet.h>
#include <errno.h>
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
        munmap(packet->ring, (size_t)PACKET_SLOTS * packet->slot_size);
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

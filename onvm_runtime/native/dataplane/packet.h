/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of a port on a packet socket: its state, and its two directions.
 *
 * Receiving is by a ring that the kernel fills without a system call of ours.  A
 * frame that does not fit into a slot of it (a large segment) is put whole into
 * the socket's queue as well, in the same order, and read from there.  A frame is
 * copied once, from the ring or from `large` into its buffers of the packet
 * region (a jumbo frame that is cut out of a larger one, twice).  One that makes
 * several is kept until all are taken; so is its slot.
 * Without free buffers frames wait in the ring, and the kernel counts what it loses.
 */
#ifndef ONVM_DATAPLANE_PACKET_H
#define ONVM_DATAPLANE_PACKET_H

#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "interface.h"
#include "port.h"
#include "segmentation.h"

#define PACKET_SLOTS 2048
#define PACKET_LARGE (72u << 10) /* the largest segment that IP can name, and headers */

/* A frame that the kernel gave us. */
struct arrival {
    uint8_t *data;
    uint32_t length; /* 0: none */
    struct virtio_net_hdr header;
    struct segmentation cut; /* if header.gso_type says so */
};

struct outgoing {
    struct mmsghdr message[ONVM_BURST];
    /* an empty virtio-net header, the frame's buffers */
    struct iovec part[ONVM_BURST][1 + ONVM_MAX_SEGMENTS];
};

struct packet {
    int socket;
    int index; /* of the interface when it was opened */
    struct interface kernel;
    uint8_t *ring; /* PACKET_SLOTS slots */
    uint32_t slot_size;
    uint32_t next; /* slot to look at */
    struct arrival arrival;
    struct outgoing outgoing;
    uint8_t large[VLAN_TAG + PACKET_LARGE];
    uint8_t jumbo[UINT16_MAX]; /* a frame cut out of a segment, before it is spread */
};

/* Operations of the port (port.h). */
uint16_t packet_receive(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);
void packet_transmit(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);

#endif

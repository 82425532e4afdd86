/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large segments of a kernel peer, cut into frames that a wire would carry.
 *
 * Linux hands up to 64 KB of one TCP stream, or many UDP datagrams of one size, to a
 * virtual device as a single frame with one header (GSO).  The frames made of
 * it are what a NIC that segments would send: the header in each, with lengths, IPv4
 * identification, TCP sequence number, flags and all checksums its own.  No DPDK
 * in here.
 */
#ifndef ONVM_DATAPLANE_SEGMENTATION_H
#define ONVM_DATAPLANE_SEGMENTATION_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "parse.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* since Linux 6.2 */
#endif

struct segmentation {
    const uint8_t *frame; /* must stay until the last frame is cut */
    struct frame_layout layout;
    uint32_t header;  /* bytes in front of the payload; every frame has them */
    uint32_t payload; /* bytes to cut up */
    uint32_t unit;    /* bytes of it in one frame */
    uint32_t done;
    uint16_t partial; /* the pseudo-header's sum, without a length */
};

/*
 * Begins to cut frame[0..length) as its virtio-net header says, into IP packets of
 * `mtu` bytes at the most.  False: it is not such a frame as the header says, or
 * cannot be cut to that size (datagrams must keep theirs).
 */
bool segmentation_begin(struct segmentation *cut, const uint8_t *frame, uint32_t length,
                        const struct virtio_net_hdr *header, uint16_t mtu);

/* Whether there is another frame. */
static inline bool
segmentation_pending(const struct segmentation *cut)
{
    return cut->done < cut->payload;
}

/* Bytes of the next frame. */
uint32_t segmentation_size(const struct segmentation *cut);

/* Writes the next frame, of segmentation_size bytes. */
void segmentation_next(struct segmentation *cut, uint8_t *frame);

#endif

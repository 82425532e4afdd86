/* SPDX-License-Identifier: BSD-3-Clause */
#include "segmentation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "bytes.h"
#include "checksum.h"

#define IPV6_HEADER 40
#define UDP_HEADER 8
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static inline void
add32(uint8_t *at, uint32_t amount)
{
    store32(at, load32(at) + amount);
}

/* Whether the frame is what the header calls it. */
static bool
is_kind(const struct frame_layout *layout, uint8_t type)
{
    if (layout->fragment)
        return false;
    switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return layout->family == FLOW_IPV4 && layout->protocol == IPPROTO_TCP;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return layout->family == FLOW_IPV6 && layout->protocol == IPPROTO_TCP;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        return layout->family != FLOW_L2 && layout->protocol == IPPROTO_UDP;
    default:
        return false;
    }
}

static uint32_t
transport_header(const uint8_t *frame, const struct frame_layout *layout)
{
    return layout->protocol == IPPROTO_TCP ? (frame[layout->l4 + 12] >> 4) * 4u : UDP_HEADER;
}

/*
 * TCP may be cut smaller than the sender thought; a datagram may not.  A second VLAN tag
 * takes its bytes from the payload, as a port's longest frame has room for one.
 */
static bool
choose_unit(struct segmentation *cut, uint32_t wanted, uint32_t mtu)
{
    const uint32_t l2 = FRAME_HEADER + VLAN_TAG;
    uint32_t headers = cut->header - (cut->layout.l3 < l2 ? cut->layout.l3 : l2);
    uint32_t most = mtu > headers ? mtu - headers : 0;

    if (wanted > most && cut->layout.protocol == IPPROTO_UDP)
        return false;
    cut->unit = wanted < most ? wanted : most;
    return cut->unit != 0;
}

/* The sum that the sender left in the field, or the one it should have, less its length. */
static uint16_t
partial_sum(const struct segmentation *cut, const struct virtio_net_hdr *header)
{
    const struct frame_layout *layout = &cut->layout;
    uint32_t length = layout->end - layout->l4;
    uint16_t field;

    if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
        return checksum_fold(checksum_pseudo(cut->frame, layout, 0));
    memcpy(&field, cut->frame + layout->l4 + checksum_offset(layout->protocol), sizeof(field));
    return checksum_fold((uint64_t)field + (uint16_t)~htons((uint16_t)length));
}

bool
segmentation_begin(struct segmentation *cut, const uint8_t *frame, uint32_t length,
                   const struct virtio_net_hdr *header, uint16_t mtu)
{
    *cut = (struct segmentation){.frame = frame};
    if (!frame_locate(frame, length, length, &cut->layout) || !is_kind(&cut->layout, header->gso_type))
        return false;
    cut->header = cut->layout.l4 + transport_header(frame, &cut->layout);
    if (!choose_unit(cut, header->gso_size, mtu))
        return false;
    cut->payload = cut->layout.end - cut->header;
    cut->partial = partial_sum(cut, header);
    return cut->payload != 0;
}

static uint32_t
next_payload(const struct segmentation *cut)
{
    uint32_t left = cut->payload - cut->done;

    return left < cut->unit ? left : cut->unit;
}

uint32_t
segmentation_size(const struct segmentation *cut)
{
    return cut->header + next_payload(cut);
}

static void
finish_ipv4(const struct segmentation *cut, uint8_t *ip, uint32_t length)
{
    uint32_t header = (ip[0] & 15) * 4u;
    uint16_t checksum;

    store16(ip + 2, length);
    store16(ip + 4, load16(ip + 4) + cut->done / cut->unit);
    memset(ip + 10, 0, sizeof(checksum));
    checksum = (uint16_t)~checksum_fold(checksum_add(ip, header, 0));
    memcpy(ip + 10, &checksum, sizeof(checksum));
}

static void
finish_tcp(const struct segmentation *cut, uint8_t *tcp, uint32_t payload)
{
    add32(tcp + 4, cut->done);
    if (cut->done + payload < cut->payload)
        tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    if (cut->done != 0)
        tcp[13] &= (uint8_t)~TCP_CWR;
}

static void
finish_transport(const struct segmentation *cut, uint8_t *frame, uint32_t size)
{
    const struct frame_layout *layout = &cut->layout;
    uint32_t length = size - layout->l4, offset = checksum_offset(layout->protocol);
    uint16_t field = checksum_fold((uint64_t)cut->partial + htons((uint16_t)length));

    if (layout->protocol == IPPROTO_TCP)
        finish_tcp(cut, frame + layout->l4, size - cut->header);
    else
        store16(frame + layout->l4 + 4, length);
    memcpy(frame + layout->l4 + offset, &field, sizeof(field));
    checksum_finish(frame, size, layout->l4, offset);
}

void
segmentation_next(struct segmentation *cut, uint8_t *frame)
{
    uint32_t payload = next_payload(cut), size = cut->header + payload;
    uint8_t *ip = frame + cut->layout.l3;

    memcpy(frame, cut->frame, cut->header);
    memcpy(frame + cut->header, cut->frame + cut->header + cut->done, payload);
    if (cut->layout.family == FLOW_IPV4)
        finish_ipv4(cut, ip, size - cut->layout.l3);
    else
        store16(ip + 4, size - cut->layout.l3 - IPV6_HEADER);
    finish_transport(cut, frame, size);
    cut->done += payload;
}

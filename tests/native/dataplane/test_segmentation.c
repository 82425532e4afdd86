/* SPDX-License-Identifier: BSD-3-Clause */
/* Large segments in; frames out that are right by themselves and add up to the whole. */
#include "dataplane/segmentation.h"

#include "traffic.h"

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80
#define ALL (CWR | ACK | PSH | FIN)

#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6
#define UDP_L4 VIRTIO_NET_HDR_GSO_UDP_L4
#define ECN VIRTIO_NET_HDR_GSO_ECN

static const struct {
    const char *what;
    struct traffic traffic;
    uint8_t type;
    uint16_t unit, mtu;
    unsigned frames; /* 0: refused */
} cases[] = {
    {"IPv4", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 10000}, TCP4 | ECN, 1448, 1500, 7},
    {"IPv6", {MACS, FLOW_IPV6, IPPROTO_TCP, ALL, 10000}, TCP6, 1428, 1500, 8},
    {"as large as IP can name", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 65483}, TCP4, 1448, 1500, 46},
    {"the last one full", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 2896}, TCP4, 1448, 1500, 2},
    {"the last one of 1 byte", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 2897}, TCP4, 1448, 1500, 3},
    {"odd sizes", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 1001}, TCP4, 333, 1500, 4},
    {"a single one", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 100}, TCP4, 1448, 1500, 1},
    {"a port with a smaller MTU", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 2900}, TCP4, 1448, 1000, 4},
    {"a tag", {MACS VLAN5, FLOW_IPV4, IPPROTO_TCP, ALL, 2896}, TCP4, 1448, 1500, 2},
    {"a second tag takes from the payload",
     {MACS SERVICE_VLAN9 VLAN5, FLOW_IPV4, IPPROTO_TCP, ALL, 2896}, TCP4, 1448, 1500, 3},
    {"datagrams", {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 5000}, UDP_L4, 1200, 1500, 5},
    {"datagrams over IPv6", {MACS, FLOW_IPV6, IPPROTO_UDP, 0, 5001}, UDP_L4, 1250, 1500, 5},

    {"datagrams keep their size", {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 5000}, UDP_L4, 1473, 1500, 0},
    {"UDP that is called TCP", {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 5000}, TCP4, 1200, 1500, 0},
    {"IPv6 that is called IPv4", {MACS, FLOW_IPV6, IPPROTO_TCP, ALL, 5000}, TCP4, 1200, 1500, 0},
    {"fragmentation of UDP, which Linux gave up",
     {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 5000}, VIRTIO_NET_HDR_GSO_UDP, 1480, 1500, 0},
    {"units of nothing", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 5000}, TCP4, 0, 1500, 0},
    {"nothing to cut", {MACS, FLOW_IPV4, IPPROTO_TCP, ALL, 0}, TCP4, 1448, 1500, 0},
    {"an MTU below the headers", {MACS, FLOW_IPV6, IPPROTO_TCP, ALL, 5000}, TCP6, 1428, 72, 0},
};

static uint32_t
load(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static void
check_tcp(const char *what, const uint8_t *tcp, uint8_t flags, uint32_t done, bool first, bool last)
{
    uint8_t expected = flags;

    if (!last)
        expected &= (uint8_t)~(FIN | PSH);
    if (!first)
        expected &= (uint8_t)~CWR;
    CHECK(load(tcp + 4, 4) == 0xfffffff0u + done, "%s: the sequence number at %u", what, done);
    CHECK(tcp[13] == expected, "%s: flags %02x, not %02x", what, tcp[13], expected);
}

static void
check_segment(size_t i, const uint8_t *frame, uint32_t size, const struct segmentation *before,
              bool last)
{
    const char *what = cases[i].what;
    const struct frame_layout *layout = &before->layout;
    uint32_t index = before->done / before->unit, header = before->header;
    uint32_t limit = cases[i].mtu + FRAME_HEADER + VLAN_TAG;

    if (layout->l3 == FRAME_HEADER)
        limit -= VLAN_TAG;
    CHECK(size <= limit, "%s: a frame of %u bytes", what, size);
    CHECK(size - header <= cases[i].unit, "%s: %u bytes of payload", what, size - header);
    CHECK(reference_correct(frame, size), "%s: a checksum of frame %u", what, index);
    CHECK(memcmp(frame + header, before->frame + header + before->done, size - header) == 0,
          "%s: the payload at %u", what, before->done);
    CHECK(memcmp(frame, before->frame, layout->l3) == 0, "%s: the Ethernet header", what);
    if (layout->family == FLOW_IPV4)
        CHECK(load(frame + layout->l3 + 4, 2) == 1 + index, "%s: identification %u", what, index);
    if (layout->protocol == IPPROTO_TCP)
        check_tcp(what, frame + layout->l4, cases[i].traffic.flags, before->done,
                  before->done == 0, last);
}

static void
check_case(size_t i, uint8_t flags)
{
    static uint8_t large[TRAFFIC_ROOM];
    struct virtio_net_hdr header = {
        .flags = flags, .gso_type = cases[i].type, .gso_size = cases[i].unit};
    uint32_t l4, length = traffic_write(large, &cases[i].traffic, &l4);
    struct segmentation cut, before;
    unsigned frames = 0;
    bool begun = segmentation_begin(&cut, large, length, &header, cases[i].mtu);

    CHECK(begun == (cases[i].frames != 0), "%s: begun %d", cases[i].what, begun);
    while (begun && segmentation_pending(&cut)) {
        uint32_t size = segmentation_size(&cut);
        uint8_t *frame = malloc(size); /* of that size, so that ASan watches its end */

        before = cut;
        segmentation_next(&cut, frame);
        check_segment(i, frame, size, &before, !segmentation_pending(&cut));
        frames++;
        free(frame);
    }
    CHECK(frames == cases[i].frames, "%s: %u frames, not %u", cases[i].what, frames,
          cases[i].frames);
}

/* With a routing header the sender's pseudo-header has another destination: its sum is kept. */
static void
check_keeps_the_senders_sum(void)
{
    static uint8_t large[TRAFFIC_ROOM];
    struct traffic traffic = {MACS, FLOW_IPV4, IPPROTO_TCP, ACK, 2000};
    struct virtio_net_hdr header = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = TCP4, .gso_size = 1000};
    uint32_t l4, length = traffic_write(large, &traffic, &l4);
    struct segmentation cut;
    uint8_t frame[2048];

    large[l4 - 1] ^= 0x10; /* an address that the sum was not made of */
    REQUIRE(segmentation_begin(&cut, large, length, &header, 1500), "it is a good segment");
    segmentation_next(&cut, frame);
    frame[l4 - 1] ^= 0x10;
    frame[24] = frame[25] = 0; /* the IPv4 header's own sum is not the question */
    put16(frame + 24, (uint16_t)~reference_sum(frame + 14, 20, 0));
    CHECK(reference_correct(frame, cut.header + 1000), "the sum is of what the sender meant");
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(i, VIRTIO_NET_HDR_F_NEEDS_CSUM);
        check_case(i, 0);
    }
    check_keeps_the_senders_sum();
    return check_result();
}

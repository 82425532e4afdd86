/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device noted in an mbuf is made good in the frame, and the notes are forgotten. */
#include <string.h>

#include "../check.h"
#include "dataplane/checksum.h"
#include "dataplane/reception.h"
#include "protocol/drop_reasons.h"

#define ROOM 128
#define SIZE 4096
#define PAYLOAD 3001 /* odd, as is the place where it is cut */

static uint8_t buffer[2][SIZE];

/* An Ethernet header and, behind it, UDP over IPv4 with only the pseudo-header's sum. */
static uint32_t
write_frame(uint8_t *frame)
{
    static const uint8_t head[42] = {
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, (28 + PAYLOAD) >> 8,
        (28 + PAYLOAD) & 0xff, 0, 0, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2,
        0, 9, 0, 9, (8 + PAYLOAD) >> 8, (8 + PAYLOAD) & 0xff, 0, 0};
    struct frame_layout layout;
    uint16_t sum;

    memcpy(frame, head, sizeof(head));
    for (uint32_t i = 0; i < PAYLOAD; i++)
        frame[sizeof(head) + i] = (uint8_t)(i * 7);
    REQUIRE(frame_locate(frame, 42 + PAYLOAD, 42 + PAYLOAD, &layout), "the frame is malformed");
    sum = checksum_fold(checksum_pseudo(frame, &layout, 8 + PAYLOAD));
    memcpy(frame + 40, &sum, sizeof(sum));
    return 42 + PAYLOAD;
}

/* The frame in two buffers, of which the first has `present` bytes. */
static void
spread(struct rte_mbuf mbuf[2], uint32_t present)
{
    static uint8_t whole[SIZE];
    uint32_t length = write_frame(whole);

    memset(mbuf, 0, 2 * sizeof(mbuf[0]));
    for (int i = 0; i < 2; i++) {
        mbuf[i].buf_addr = buffer[i];
        mbuf[i].buf_len = SIZE;
        mbuf[i].data_off = ROOM;
    }
    memcpy(buffer[0] + ROOM, whole, present);
    memcpy(buffer[1] + ROOM, whole + present, length - present);
    mbuf[0].data_len = (uint16_t)present;
    mbuf[1].data_len = (uint16_t)(length - present);
    mbuf[0].pkt_len = length;
    mbuf[0].nb_segs = 2;
    mbuf[0].next = &mbuf[1];
}

static const struct {
    const char *sentence;
    uint64_t flags;
    const char *tags; /* that the frame must have then */
    uint32_t bytes;   /* of them */
    bool finished;
    unsigned reason;
} cases[] = {
    {"a stripped tag comes back", RTE_MBUF_F_RX_VLAN_STRIPPED, "\x81\x00\x30\x05", 4, false,
     ONVM_DROP_REASON_COUNT},
    {"both tags come back in their order",
     RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED,
     "\x88\xa8\x00\x06\x81\x00\x30\x05", 8, false, ONVM_DROP_REASON_COUNT},
    {"so does the outer one alone", RTE_MBUF_F_RX_QINQ_STRIPPED, "\x88\xa8\x00\x06", 4, false,
     ONVM_DROP_REASON_COUNT},
    {"an unfinished checksum is finished over all segments", RTE_MBUF_F_RX_L4_CKSUM_NONE, "", 0,
     true, ONVM_DROP_REASON_COUNT},
    {"behind a tag as well", RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_RX_VLAN_STRIPPED,
     "\x81\x00\x30\x05", 4, true, ONVM_DROP_REASON_COUNT},
    {"a wrong checksum stays wrong", RTE_MBUF_F_RX_L4_CKSUM_BAD, "", 0, false,
     ONVM_DROP_REASON_COUNT},
    {"joined segments are refused", RTE_MBUF_F_RX_LRO, "", 0, false, ONVM_DROP_segmentation},
};

/* Whether the UDP checksum of the chain is right; `skip`: bytes of tags. */
static bool
checksum_is_right(const struct rte_mbuf *mbuf, uint32_t skip)
{
    static uint8_t whole[2 * SIZE];
    struct frame_layout layout;
    uint64_t sum;

    memcpy(whole, rte_pktmbuf_mtod(mbuf, void *), mbuf->data_len);
    memcpy(whole + mbuf->data_len, rte_pktmbuf_mtod(mbuf->next, void *), mbuf->next->data_len);
    if (!frame_locate(whole, mbuf->pkt_len, mbuf->pkt_len, &layout) || layout.l3 != 14 + skip)
        return false;
    sum = checksum_pseudo(whole, &layout, layout.end - layout.l4);
    return checksum_fold(checksum_add(whole + layout.l4, layout.end - layout.l4, sum)) == 0xffff;
}

static void
check_case(size_t i, uint32_t present)
{
    struct rte_mbuf mbuf[2];
    bool finished;
    unsigned reason;

    spread(mbuf, present);
    mbuf[0].ol_flags = cases[i].flags;
    mbuf[0].vlan_tci = 0x3005;
    mbuf[0].vlan_tci_outer = 6;
    CHECK((cases[i].flags & RECEPTION_UNDONE) != 0, "%s: nobody would look", cases[i].sentence);
    reason = reception_finish(mbuf, &finished);
    CHECK(reason == cases[i].reason && finished == cases[i].finished, "%s: reason %u, finished %d",
          cases[i].sentence, reason, finished);
    CHECK(mbuf[0].pkt_len == 42 + PAYLOAD + cases[i].bytes &&
              memcmp(rte_pktmbuf_mtod_offset(mbuf, char *, 12), cases[i].tags,
                     cases[i].bytes) == 0,
          "%s: other tags", cases[i].sentence);
    CHECK(checksum_is_right(mbuf, cases[i].bytes) == cases[i].finished, "%s: its checksum",
          cases[i].sentence);
    mbuf[1].ol_flags = RTE_MBUF_F_RX_RSS_HASH;
    reception_forget(mbuf);
    CHECK(mbuf[0].ol_flags == 0 && mbuf[1].ol_flags == 0,
          "%s: a note is left", cases[i].sentence);
}

static void
check_no_room(void)
{
    struct rte_mbuf mbuf[2];
    bool finished;

    spread(mbuf, 500);
    mbuf[0].buf_addr = buffer[0] + ROOM;
    mbuf[0].data_off = 0;
    mbuf[0].ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED;
    CHECK(reception_finish(mbuf, &finished) == ONVM_DROP_oversize, "there is no room for a tag");
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t present = 42; present < 60; present++)
            check_case(i, present);
    check_no_room();
    return check_result();
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "reception.h"

#include <rte_ether.h>
#include <string.h>

#include "../protocol/drop_reasons.h"
#include "checksum.h"
#include "parse.h"

static bool
insert_tag(struct rte_mbuf *frame, uint16_t tpid, uint16_t tci)
{
    uint8_t *start = (uint8_t *)rte_pktmbuf_prepend(frame, VLAN_TAG);

    if (start == NULL)
        return false;
    memmove(start, start + VLAN_TAG, FRAME_MACS);
    frame_write_tag(start, tpid, tci);
    return true;
}

/* The inner tag first.  With QINQ alone, only the outer one was taken out (rte_mbuf_core.h). */
static bool
restore_tags(struct rte_mbuf *frame)
{
    if ((frame->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 &&
        !insert_tag(frame, RTE_ETHER_TYPE_VLAN, frame->vlan_tci))
        return false;
    return (frame->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) == 0 ||
           insert_tag(frame, RTE_ETHER_TYPE_QINQ, frame->vlan_tci_outer);
}

/* The sum of frame[start..end), over segments; one that begins at an odd place counts swapped. */
static uint16_t
sum_frame(const struct rte_mbuf *frame, uint32_t start, uint32_t end)
{
    uint32_t skip = start, left = end - start;
    uint64_t sum = 0;
    bool odd = false;

    for (; frame != NULL && left > 0; frame = frame->next) {
        uint32_t length = RTE_MIN(frame->data_len - skip, left);
        uint16_t part = checksum_fold(
            checksum_add(rte_pktmbuf_mtod_offset(frame, const uint8_t *, skip), length, 0));

        sum += odd ? rte_bswap16(part) : part;
        odd ^= length & 1;
        left -= length;
        skip = 0;
    }
    return checksum_fold(sum);
}

/* Finishes a checksum whose field holds the pseudo-header's sum; false: there is none. */
static bool
finish_checksum(struct rte_mbuf *frame)
{
    uint8_t *data = rte_pktmbuf_mtod(frame, uint8_t *);
    struct frame_layout layout;
    uint16_t checksum;

    if (!frame_locate(data, frame->data_len, frame->pkt_len, &layout) ||
        layout.family == FLOW_L2 || layout.fragment || checksum_offset(layout.protocol) == 0)
        return false;
    checksum = (uint16_t)~sum_frame(frame, layout.l4, layout.end);
    if (checksum == 0) /* as in checksum_finish */
        checksum = 0xffff;
    memcpy(data + layout.l4 + checksum_offset(layout.protocol), &checksum, sizeof(checksum));
    return true;
}

unsigned
reception_finish(struct rte_mbuf *frame, bool *finished)
{
    bool partial = (frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;

    *finished = false;
    if ((frame->ol_flags & RTE_MBUF_F_RX_LRO) != 0)
        return ONVM_DROP_segmentation;
    if (!restore_tags(frame))
        return ONVM_DROP_oversize;
    *finished = partial && finish_checksum(frame);
    return ONVM_DROP_REASON_COUNT;
}

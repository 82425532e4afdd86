/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device noted in an mbuf instead of doing it in the frame.
 *
 * Ports ask no device to strip tags, to leave checksums or to join segments (LRO),
 * but some drivers do so unasked.  NFs look at frames only, so it is made good
 * before they see one.
 */
#ifndef ONVM_DATAPLANE_RECEPTION_H
#define ONVM_DATAPLANE_RECEPTION_H

#include <rte_mbuf.h>
#include <stdbool.h>

/*
 * Flags of frames that reception_finish must see: tags that were taken out, joined
 * segments, and a checksum that a peer on this host left unfinished (both bits of
 * RTE_MBUF_F_RX_L4_CKSUM_NONE; this one alone says that it is bad).
 */
#define RECEPTION_UNDONE                                             \
    (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED |     \
     RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_LRO)

/*
 * Puts tags back and finishes the checksum; *finished: there was one.  Returns
 * ONVM_DROP_REASON_COUNT, or why the frame must be dropped.
 */
unsigned reception_finish(struct rte_mbuf *frame, bool *finished);

/* What a device notes of a reception is void behind this: frames leave as NFs rewrote them. */
static inline void
reception_forget(struct rte_mbuf *frame)
{
    frame->ol_flags = 0;
    if (likely(frame->nb_segs == 1))
        return;
    for (frame = frame->next; frame != NULL; frame = frame->next)
        frame->ol_flags = 0;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces: what became of the packets that are sampled for latency (histogram.h).
 *
 * Each worker and each NF writes what it saw of a sampled packet into a ring of its own,
 * which lies beside its histograms and has their rules: one writer, readers map it
 * read-only and believe an NF's about that NF only.  Somebody who reads all rings of a
 * node puts a packet's records together by its buffer, in the order of their times.
 *
 *   ENTERED  by its worker: the packet was classified; id, head and flow are known.  The
 *            generation of the buffer is not, and 0
 *   HANDLED  by an NF: took it, and decided
 *   ENDED    by its worker: it came home with this verdict, or was turned away.  Where it
 *            then ended on its way out, another one says so
 *
 * The id tells packets of a whole lab apart.  The node where a packet enters draws it, and
 * links that carry NSH bring it along, so the next node samples the packet as well.
 *
 * A probe is a packet that the data plane made itself, to see whether a chain can be passed
 * (chain_probe.h).  Its id has ONVM_TRACE_PROBE, which no other has.  It is traced into rings
 * of their own, so that sampled packets do not push it out, and no histogram counts it.
 *
 * A ring keeps the last ONVM_TRACE_RECORDS.  Record n lies at n modulo that; `written` counts
 * those that are whole.  The writer fills a record before it counts it; a reader
 * copies, looks at `written` again, and drops what may have been overwritten meanwhile:
 * all before written - ONVM_TRACE_RECORDS + 1.
 */
#ifndef ONVM_PROTOCOL_TRACE_H
#define ONVM_PROTOCOL_TRACE_H

#include <stdint.h>

#include "abi.h"

#define ONVM_TRACE_RECORDS 256u
#define ONVM_TRACE_PROBE 0x80000000u
#define ONVM_TRACE_HEAD 88u /* bytes of the frame: its headers */

enum onvm_trace_kind {
    ONVM_TRACE_ENTERED = 1,
    ONVM_TRACE_HANDLED = 2,
    ONVM_TRACE_ENDED = 3,
};

struct onvm_trace_record {
    uint64_t at;       /* TSC: received, taken by the NF, taken home */
    uint64_t took;     /* HANDLED: cycles until it was posted */
    uint32_t buffer;   /* as in a descriptor */
    uint32_t id;       /* ENTERED */
    uint32_t flow;     /* its hash */
    uint16_t chain;
    uint16_t argument; /* of the verdict, as in descriptor.h */
    uint16_t length;   /* ENTERED: of the frame */
    uint8_t kind;
    uint8_t hop;     /* HANDLED */
    uint8_t verdict; /* HANDLED, ENDED */
    uint8_t port;    /* ENTERED: that it came by */
    uint8_t span;    /* ENTERED: the link to another node that it came by, and 1; 0: none */
    uint8_t headed;  /* ENTERED: bytes of `head` that are of the frame */
    uint8_t head[ONVM_TRACE_HEAD];
};

_Static_assert(sizeof(struct onvm_trace_record) == 128, "two cache lines");

struct onvm_trace {
    ONVM_ALIGNED uint64_t written;
    ONVM_ALIGNED struct onvm_trace_record record[ONVM_TRACE_RECORDS];
};

static inline void
onvm_trace_write(struct onvm_trace *trace, const struct onvm_trace_record *record)
{
    trace->record[trace->written % ONVM_TRACE_RECORDS] = *record;
    __atomic_store_n(&trace->written, trace->written + 1, __ATOMIC_RELEASE);
}

#endif

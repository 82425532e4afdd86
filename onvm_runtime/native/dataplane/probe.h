/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes: how the two ends of a link know that the other one is there, and which
 * ways lead on behind it.
 *
 * Each end sends one every PROBE_MS.  A link is up while probes come in that say that
 * the other end hears ours: both directions work.  It is down PROBE_PATIENCE_MS
 * after the last one, in the manner of BFD (RFC 5880, asynchronous mode) with a
 * fixed interval.
 *
 * A probe lists what the sender cannot pass on: the path ids and indices that come by
 * this link and whose way is severed (ways.h).  So the news of a dead link or NF reaches
 * the node where packets enter, hop by hop, and they are not sent half of the way.  A list
 * that is not full is all of it; an entry of a full one holds for PROBE_PATIENCE_MS.
 *
 *   0  magic "onvp"   4  version, flags (bit 0: I hear you)   6  number of entries
 *   8  time of sending (ns of the sender's clock)
 *  16  time of sending of the last probe from you, 0: none
 *  24  how long ago that came in (ns)
 *  32  entries: path id 24 bits, index 8 bits
 *
 * Whoever can send Ethernet frames to the port can take a link down or up, as with
 * ARP; a link crosses only what the lab trusts.  No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_PROBE_H
#define ONVM_DATAPLANE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define PROBE_MS 100
#define PROBE_PATIENCE_MS 700
#define PROBE_HEADER 32
#define PROBE_ENTRIES 256 /* in one probe; more take turns */
#define PROBE_MOST (PROBE_HEADER + 4 * PROBE_ENTRIES)

struct probe {
    bool hears; /* the sender has heard the receiver lately */
    uint64_t sent;
    uint64_t echo, held;
    uint16_t count;
    uint32_t cut_off[PROBE_ENTRIES]; /* path id << 8 | index */
};

/* Writes a probe; returns its bytes, at most PROBE_MOST. */
uint32_t probe_write(uint8_t *at, const struct probe *probe);

/* False: not a probe of this version, or cut off. */
bool probe_read(const uint8_t *at, uint32_t size, struct probe *probe);

#endif

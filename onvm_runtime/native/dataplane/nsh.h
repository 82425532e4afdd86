/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Network Service Header (RFC 8300): how a packet tells the next node which
 * chain it is on, and how far it has come.
 *
 *   base header (section 2.2)       version 0, time to live, length 6 words,
 *                                   metadata type 1, next protocol Ethernet;
 *                                   the O bit marks what no chain carries (probe.h)
 *   service path header (2.3)       24 bits of path id, 8 bits of index
 *   context (2.4), 16 bytes         the flow's hash, so that a node which did not
 *                                   classify the packet chooses the same instances;
 *                                   the packet's id where it is traced (protocol/trace.h);
 *                                   the rest is zero
 *
 * No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_NSH_H
#define ONVM_DATAPLANE_NSH_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

#define NSH_ETHERTYPE 0x894f
#define NSH_SIZE 24
#define NSH_TTL 63 /* section 2.2: the default */

#define NSH_VERSION_MASK 0xc0000000u
#define NSH_OAM 0x20000000u
#define NSH_TTL_SHIFT 22
#define NSH_LENGTH_SHIFT 16
#define NSH_TYPE_1 0x0100u
#define NSH_NEXT_ETHERNET 0x03u
#define NSH_LAYOUT_MASK 0x003f0fffu /* length, metadata type, next protocol */
#define NSH_LAYOUT (6u << NSH_LENGTH_SHIFT | NSH_TYPE_1 | NSH_NEXT_ETHERNET)

struct nsh {
    uint32_t path_id; /* 24 bits */
    uint8_t index;
    uint8_t ttl; /* as it is sent; nsh_time_left says what is left where it comes */
    bool oam;
    uint32_t flow;
    uint32_t trace; /* 0: it is not traced */
};

/* Writes NSH_SIZE bytes. */
static inline void
nsh_write(uint8_t *at, const struct nsh *nsh)
{
    store32(at, NSH_LAYOUT | (uint32_t)(nsh->ttl & 63) << NSH_TTL_SHIFT |
                    (nsh->oam ? NSH_OAM : 0));
    store32(at + 4, nsh->path_id << 8 | nsh->index);
    store32(at + 8, nsh->flow);
    store32(at + 12, nsh->trace);
    store32(at + 16, 0);
    store32(at + 20, 0);
}

/*
 * What a node leaves of a time to live: it takes one off before it looks anything up,
 * from 0 to 63, and a packet of which 0 is left goes nowhere (section 2.2).
 */
static inline uint8_t
nsh_time_left(uint8_t ttl)
{
    return (uint8_t)(ttl - 1) & NSH_TTL;
}

/* False: not a header such as nsh_write makes, or cut off. */
static inline bool
nsh_read(const uint8_t *at, uint32_t size, struct nsh *nsh)
{
    uint32_t base;

    if (size < NSH_SIZE)
        return false;
    base = load32(at);
    if ((base & NSH_VERSION_MASK) != 0 || (base & NSH_LAYOUT_MASK) != NSH_LAYOUT)
        return false;
    *nsh = (struct nsh){
        .path_id = load32(at + 4) >> 8,
        .index = at[7],
        .ttl = base >> NSH_TTL_SHIFT & 63,
        .oam = (base & NSH_OAM) != 0,
        .flow = load32(at + 8),
        .trace = load32(at + 12),
    };
    return true;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: what readers map read-only and read at any rate.
 *
 * Two kinds of region.  The node's has a block for each worker of the data plane,
 * on pages of its own, which that worker alone writes (ports, chains, drop reasons,
 * what it counts about each NF): what a node counted is the sum over its workers.
 * Every NF has a region of its own and is its only writer; the data plane believes
 * nothing in it.
 *
 * Every counter is one aligned 64-bit word that only grows, stored with
 * ONVM_COUNT by its single writer; a reader may see neighbours of different
 * moments, never half a word.  Rates are the reader's business.
 */
#ifndef ONVM_PROTOCOL_COUNTERS_H
#define ONVM_PROTOCOL_COUNTERS_H

#include "abi.h"
#include "drop_reasons.h"

#define ONVM_COUNTERS_MAGIC 0x4d564e4f53544154ull

#define ONVM_PAGE_ALIGNED __attribute__((aligned(4096)))

/* Adds to a counter of which the caller is the only writer. */
#define ONVM_COUNT(counter, amount) \
    __atomic_store_n(&(counter), (counter) + (uint64_t)(amount), __ATOMIC_RELAXED)

struct onvm_flow_count {
    uint64_t packets;
    uint64_t bytes;
};

struct onvm_port_counters {
    ONVM_ALIGNED struct onvm_flow_count rx; /* frames as the path sees them */
    struct onvm_flow_count tx;
    uint64_t rx_missed;      /* lost before the path saw them: no descriptor, no buffer */
    uint64_t rx_errors;      /* refused by the device or malformed */
    uint64_t tx_dropped;     /* the transmit queue was full */
    uint64_t rx_segmented;   /* large segments from a kernel peer, cut into frames */
    uint64_t rx_checksummed; /* checksums that a kernel peer left unfinished */
};

struct onvm_chain_counters {
    ONVM_ALIGNED struct onvm_flow_count in; /* classified into the chain */
    struct onvm_flow_count out;             /* left it by a port */
    uint64_t dropped;                       /* ended on the way, for whatever reason */
};

/* What the worker counts about an NF, by its id. */
struct onvm_nf_view {
    ONVM_ALIGNED uint64_t given;    /* descriptors put into its input edge at ingress */
    uint64_t returned;              /* descriptors taken from its home edge, good or bad */
    uint64_t faults;                /* descriptors refused: any reason of kind fault */
    uint64_t reclaimed;             /* buffers taken back after it died */
};

/* One worker's block. */
struct onvm_worker_counters {
    ONVM_PAGE_ALIGNED uint64_t loops; /* turns of the worker's loop */
    uint64_t sleeps;                  /* times that it went to sleep */
    uint64_t cycles;                  /* TSC cycles since it started, up to date within 0.1 s */
    uint64_t busy_cycles;             /* of them: in turns that moved a packet */
    uint64_t buffers;                 /* buffers in its slice of the region */
    uint64_t buffers_out;             /* of them: held by NFs and edges now */
    uint64_t buffers_queued;          /* of them: in the data plane or its ports, not free */
    uint64_t flows;                   /* entries in its flow table now */
    uint64_t flow_hits;
    uint64_t flow_misses;

    ONVM_ALIGNED uint64_t dropped[ONVM_DROP_REASON_COUNT];

    struct onvm_port_counters port[ONVM_MAX_PORTS];
    struct onvm_chain_counters chain[ONVM_MAX_CHAINS];
    struct onvm_nf_view nf[ONVM_MAX_NFS];
};

struct onvm_node_counters {
    uint64_t magic;
    uint32_t abi;
    uint32_t workers; /* blocks in use */

    struct onvm_worker_counters worker[ONVM_MAX_WORKERS];
};

struct onvm_nf_counters {
    uint64_t magic;
    uint32_t abi;
    uint32_t reserved;

    ONVM_ALIGNED struct onvm_flow_count rx;
    uint64_t verdict[4]; /* by onvm_verdict */
    uint64_t edge_full;  /* dropped because the next NF's edge was full */
    uint64_t bursts;
    uint64_t sleeps;
    uint64_t handler_cycles; /* TSC cycles inside the handler: of one burst in eight, for all */
    uint64_t dropped[ONVM_DROP_REASON_COUNT];

    /* By the chain and hop at which the NF handled the packet. */
    ONVM_ALIGNED struct onvm_flow_count hop[ONVM_MAX_CHAINS][ONVM_MAX_HOPS];
};

#endif

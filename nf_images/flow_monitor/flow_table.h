/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the monitor knows of flows.  A flow is known by addresses, protocol and
 * ports; where both directions count as one, under the order of its first packet.
 */
#ifndef ONVM_FLOW_MONITOR_FLOW_TABLE_H
#define ONVM_FLOW_MONITOR_FLOW_TABLE_H

#include "nf/packet.h"
#include "nf/table.h"

/* Both ends, source first or the lesser first; IPv4 addresses fill the first four bytes. */
struct flow_key {
    uint8_t address[2][16];
    uint16_t port[2];
    uint8_t version;
    uint8_t protocol;
    uint8_t zero[2];
};

struct flow {
    struct onvm_table_entry entry;
    struct flow_key key;
    uint8_t source;   /* which end sent the first packet */
    uint64_t packets[2], bytes[2]; /* by the end that sent them */
    uint64_t first, last;          /* when it was seen, in nanoseconds */
};

struct flow_table {
    struct onvm_table table;
    bool bidirectional;
    uint64_t idle; /* nanoseconds after which a silent flow is forgotten */
};

bool flow_table_open(struct flow_table *flows, uint32_t capacity, bool bidirectional,
                     uint64_t idle);

void flow_table_close(struct flow_table *flows);

/* Counts an IP packet.  False: it belongs to a new flow and the table is full. */
bool flow_table_count(struct flow_table *flows, const uint8_t *frame,
                      const struct onvm_headers *headers, uint16_t bytes, uint64_t now);

/* Forgets silent flows in the next slice of the table. */
void flow_table_expire(struct flow_table *flows, uint64_t now);

static inline uint64_t
flow_packets(const struct flow *flow)
{
    return flow->packets[0] + flow->packets[1];
}

static inline uint64_t
flow_bytes(const struct flow *flow)
{
    return flow->bytes[0] + flow->bytes[1];
}

#endif

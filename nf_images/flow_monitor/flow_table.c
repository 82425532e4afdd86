/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_table.h"

#include <string.h>

bool
flow_table_open(struct flow_table *flows, uint32_t capacity, bool bidirectional, uint64_t idle)
{
    flows->bidirectional = bidirectional;
    flows->idle = idle;
    return onvm_table_open(&flows->table, capacity, sizeof(struct flow), sizeof(struct flow_key));
}

void
flow_table_close(struct flow_table *flows)
{
    onvm_table_close(&flows->table);
}

static void
read_key(struct flow_key *key, const uint8_t *frame, const struct onvm_headers *headers)
{
    const uint8_t *ip = frame + headers->l3;
    size_t size = headers->version == 4 ? 4 : 16;
    const uint8_t *source = ip + (headers->version == 4 ? 12 : 8);

    memset(key, 0, sizeof(*key));
    memcpy(key->address[0], source, size);
    memcpy(key->address[1], source + size, size);
    key->port[0] = headers->source_port;
    key->port[1] = headers->destination_port;
    key->version = headers->version;
    key->protocol = headers->protocol;
}

static bool
source_is_greater(const struct flow_key *key)
{
    int order = memcmp(key->address[0], key->address[1], sizeof(key->address[0]));

    return order > 0 || (order == 0 && key->port[0] > key->port[1]);
}

/* Puts the lesser end first; returns at which place the packet's source is then. */
static uint8_t
order_ends(struct flow_key *key)
{
    const struct flow_key given = *key;

    if (!source_is_greater(key))
        return 0;
    memcpy(key->address[0], given.address[1], sizeof(key->address[0]));
    memcpy(key->address[1], given.address[0], sizeof(key->address[1]));
    key->port[0] = given.port[1];
    key->port[1] = given.port[0];
    return 1;
}

/* The flow itself, or NULL after it was forgotten for its silence. */
static struct flow *
unless_silent(struct flow_table *flows, struct flow *flow, uint64_t now)
{
    if (!flow || now - flow->last <= flows->idle)
        return flow;
    onvm_table_remove(&flows->table, flow);
    return NULL;
}

/* The flow of a key; a silent one counts as new. */
static struct flow *
find_or_add(struct flow_table *flows, const struct flow_key *key, uint8_t source, uint64_t now)
{
    struct flow *flow = unless_silent(flows, onvm_table_find(&flows->table, key), now);

    if (flow)
        return flow;
    flow = onvm_table_add(&flows->table, key);
    if (flow) {
        flow->source = source;
        flow->first = now;
    }
    return flow;
}

bool
flow_table_count(struct flow_table *flows, const uint8_t *frame,
                 const struct onvm_headers *headers, uint16_t bytes, uint64_t now)
{
    struct flow_key key;
    struct flow *flow;
    uint8_t source;

    read_key(&key, frame, headers);
    source = flows->bidirectional ? order_ends(&key) : 0;
    flow = find_or_add(flows, &key, source, now);
    if (!flow)
        return false;
    flow->packets[source]++;
    flow->bytes[source] += bytes;
    flow->last = now;
    return true;
}

void
flow_table_expire(struct flow_table *flows, uint64_t now)
{
    for (uint32_t steps = onvm_table_slice(&flows->table); steps > 0; steps--)
        unless_silent(flows, onvm_table_step(&flows->table), now);
}

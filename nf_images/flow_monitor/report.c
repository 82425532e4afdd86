/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <arpa/inet.h>
#include <string.h>

struct ranking {
    enum report_order order;
    uint32_t count, top;
    const struct flow *flow[TOP_MAX]; /* busiest first */
};

static uint64_t
weight(const struct ranking *ranking, const struct flow *flow)
{
    return ranking->order == REPORT_BY_BYTES ? flow_bytes(flow) : flow_packets(flow);
}

/* Puts a flow into its place, unless it is weaker than a full ranking's last. */
static void
rank(struct ranking *ranking, const struct flow *flow)
{
    uint32_t place = ranking->count;

    while (place > 0 && weight(ranking, ranking->flow[place - 1]) < weight(ranking, flow))
        place--;
    if (place == ranking->top)
        return;
    if (ranking->count < ranking->top)
        ranking->count++;
    memmove(&ranking->flow[place + 1], &ranking->flow[place],
            (ranking->count - 1 - place) * sizeof(ranking->flow[0]));
    ranking->flow[place] = flow;
}

static json_t *
describe_address(const struct flow *flow, unsigned end)
{
    char text[INET6_ADDRSTRLEN];

    inet_ntop(flow->key.version == 4 ? AF_INET : AF_INET6, flow->key.address[end], text,
              sizeof(text));
    return json_string(text);
}

static double
seconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

static json_t *
describe_flow(const struct flow *flow, uint64_t now)
{
    unsigned from = flow->source, to = 1 - from;

    return json_pack("{s:o, s:o, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:f, s:f}", "source",
                     describe_address(flow, from), "destination", describe_address(flow, to),
                     "source_port", flow->key.port[from], "destination_port",
                     flow->key.port[to], "protocol", flow->key.protocol, "packets",
                     (json_int_t)flow_packets(flow), "bytes", (json_int_t)flow_bytes(flow),
                     "packets_back", (json_int_t)flow->packets[to], "bytes_back",
                     (json_int_t)flow->bytes[to], "age", seconds(now - flow->first), "idle",
                     seconds(now - flow->last));
}

json_t *
report_flows(const struct flow_table *flows, uint32_t top, enum report_order order, uint64_t now)
{
    struct ranking ranking = {.order = order, .top = top};
    json_t *list = json_array();

    for (uint32_t i = 0; i < flows->table.capacity; i++) {
        const struct flow *flow = onvm_table_at(&flows->table, i);

        if (flow && now - flow->last <= flows->idle)
            rank(&ranking, flow);
    }
    for (uint32_t i = 0; i < ranking.count; i++)
        json_array_append_new(list, describe_flow(ranking.flow[i], now));
    return list;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_monitor: counts packets and bytes by flow and passes every packet on. */
#include <string.h>

#include "flow_table.h"
#include "nf/nf.h"
#include "nf/parameters.h"
#include "report.h"

#define SECOND 1000000000ull

struct monitor {
    struct flow_table flows;
    uint64_t now;
    uint64_t packets, bytes;
    uint64_t untracked; /* packets of flows for which there was no room */
    uint64_t non_ip, malformed;
};

/* Flows start anew only where the form of the table changes. */
static bool
adjust_table(struct flow_table *flows, uint32_t capacity, bool bidirectional, uint64_t idle,
             struct onvm_failure *failure)
{
    struct flow_table fresh;

    if (flows->table.capacity == capacity && flows->bidirectional == bidirectional) {
        flows->idle = idle;
        return true;
    }
    if (!flow_table_open(&fresh, capacity, bidirectional, idle))
        return onvm_fail(failure, "no memory for max_flows: %u; choose fewer", capacity);
    flow_table_close(flows);
    *flows = fresh;
    return true;
}

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    struct monitor *monitor = state;
    uint64_t max_flows = 65536, idle_timeout = 60;
    bool bidirectional = true;
    const struct onvm_parameter known[] = {
        {"max_flows", ONVM_NUMBER, .number = &max_flows, .least = 1, .most = 262144},
        {"idle_timeout", ONVM_NUMBER, .number = &idle_timeout, .least = 1, .most = 86400},
        {"bidirectional", ONVM_BOOLEAN, .boolean = &bidirectional},
        {0},
    };

    return onvm_read_parameters(configuration, known, failure) &&
           adjust_table(&monitor->flows, (uint32_t)max_flows, bidirectional,
                        idle_timeout * SECOND, failure);
}

static void
watch(struct monitor *monitor, const struct onvm_burst *burst, uint32_t i)
{
    uint16_t length = onvm_packet_length(burst, i);
    struct onvm_headers headers;

    monitor->packets++;
    monitor->bytes += length;
    if (onvm_packet_parse(burst, i, &headers) == ONVM_MALFORMED)
        monitor->malformed++;
    else if (headers.version == 0)
        monitor->non_ip++;
    else if (!flow_table_count(&monitor->flows, burst->data[i], &headers, length,
                               monitor->now))
        monitor->untracked++;
}

static void
handle(struct onvm_burst *burst, void *state)
{
    struct monitor *monitor = state;

    monitor->now = burst->now;
    for (uint32_t i = 0; i < burst->count; i++)
        watch(monitor, burst, i);
}

static void
expire(void *state, uint64_t now)
{
    struct monitor *monitor = state;

    monitor->now = now;
    flow_table_expire(&monitor->flows, now);
}

static json_t *
answer_flows(const struct monitor *monitor, json_t *request, struct onvm_failure *failure)
{
    uint64_t top = 10;
    const char *query, *sort = "bytes";
    const struct onvm_parameter known[] = {
        {"query", ONVM_TEXT, .text = &query},
        {"top", ONVM_NUMBER, .number = &top, .least = 1, .most = TOP_MAX},
        {"sort", ONVM_TEXT, .text = &sort},
        {0},
    };
    bool by_packets;

    if (!onvm_read_object(request, "", known, failure))
        return NULL;
    by_packets = strcmp(sort, "packets") == 0;
    if (!by_packets && strcmp(sort, "bytes") != 0) {
        onvm_fail(failure, "sort must be bytes or packets, not %s", sort);
        return NULL;
    }
    return json_pack("{s:o}", "flows",
                     report_flows(&monitor->flows, (uint32_t)top,
                                  by_packets ? REPORT_BY_PACKETS : REPORT_BY_BYTES, monitor->now));
}

static json_t *
answer_summary(const struct monitor *monitor)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "flows",
                     (json_int_t)monitor->flows.table.used, "max_flows",
                     (json_int_t)monitor->flows.table.capacity, "packets",
                     (json_int_t)monitor->packets, "bytes", (json_int_t)monitor->bytes,
                     "untracked", (json_int_t)monitor->untracked, "non_ip",
                     (json_int_t)monitor->non_ip, "malformed", (json_int_t)monitor->malformed);
}

static json_t *
query(void *state, json_t *request, struct onvm_failure *failure)
{
    if (onvm_is_query(request, "flows"))
        return answer_flows(state, request, failure);
    if (onvm_is_query(request, "summary"))
        return answer_summary(state);
    onvm_fail(failure, "flow_monitor answers the queries flows and summary only");
    return NULL;
}

static void
stop(void *state)
{
    flow_table_close(&((struct monitor *)state)->flows);
}

ONVM_NF(flow_monitor, "counts packets and bytes by flow",
        .state_size = sizeof(struct monitor),
        .configure = configure,
        .handler = handle,
        .query = query,
        .timer = expire,
        .timer_interval = SECOND / 10,
        .stop = stop);

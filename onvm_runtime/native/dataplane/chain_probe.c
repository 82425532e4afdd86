/* SPDX-License-Identifier: BSD-3-Clause */
#include "chain_probe.h"

#include <ctype.h>
#include <rte_random.h>
#include <string.h>

#define LONGEST 2048 /* bytes of a frame; a buffer may have less room */

struct sending {
    uint16_t chain;
    uint8_t port;
    uint32_t id;
    uint16_t length;
    uint8_t bytes[LONGEST];
    const char *obstacle; /* NULL: it was sent */
};

static struct rte_mbuf *
make_frame(struct worker *worker, struct sending *sending)
{
    struct rte_mbuf *frame = rte_pktmbuf_alloc(worker->pool);
    char *room = frame != NULL ? rte_pktmbuf_append(frame, sending->length) : NULL;

    if (room != NULL)
        memcpy(room, sending->bytes, sending->length);
    else
        sending->obstacle = frame == NULL ? "no buffer is free" : "the frame fits no buffer";
    if (room == NULL)
        rte_pktmbuf_free(frame);
    return room != NULL ? frame : NULL;
}

static void
send_probe(struct worker *worker, void *argument)
{
    struct sending *sending = argument;
    struct rte_mbuf *frame = make_frame(worker, sending);
    const struct port *port = worker->queue[sending->port]->port;
    struct classification result = {.chain = sending->chain};
    struct trace_mark mark = {.id = sending->id};

    if (frame == NULL)
        return;
    if (!classifier_foresee(worker->classifier, port->id, frame, &result)) {
        sending->obstacle = "the frame's headers contradict its length";
        rte_pktmbuf_free(frame);
        return;
    }
    trace_arrive(&worker->latency.trace, port->id, frame, &result, mark);
    ingress_probe(worker, port, frame, &result);
}

/* Reads hexadecimal digits; false: it is something else, or too long or short for a frame. */
static bool
read_bytes(struct sending *sending, const char *digits)
{
    size_t count = strlen(digits);

    if (count % 2 != 0 || count < 2 * 14 || count > 2 * sizeof(sending->bytes))
        return false;
    for (size_t i = 0; i < count; i += 2) {
        unsigned byte;
        if (!isxdigit((unsigned char)digits[i]) || sscanf(digits + i, "%2x", &byte) != 1 ||
            !isxdigit((unsigned char)digits[i + 1]))
            return false;
        sending->bytes[i / 2] = (uint8_t)byte;
    }
    sending->length = (uint16_t)(count / 2);
    return true;
}

static bool
read_request(const struct node *node, json_t *request, struct sending *sending,
             struct failure *failure)
{
    const char *op, *port, *frame;
    json_error_t error;
    int chain;

    if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s:i, s:s, s:s}", "op", &op, "chain",
                       &chain, "port", &port, "frame", &frame) != 0)
        return fail(failure, "chain.probe: %s", error.text);
    if (chain < 1 || chain >= ONVM_MAX_CHAINS || node->chain[chain] == NULL)
        return fail(failure, "chain.probe: there is no chain %d", chain);
    sending->chain = (uint16_t)chain;
    sending->port = node_port(node, port);
    if (sending->port == ONVM_MAX_PORTS)
        return fail(failure, "chain.probe: there is no port %.60s", port);
    return read_bytes(sending, frame) ||
           fail(failure, "chain.probe: frame must be 14 to %d bytes in hexadecimal", LONGEST);
}

bool
chain_probe_send(struct node *node, json_t *request, uint32_t *id, struct failure *failure)
{
    struct sending sending = {.id = (uint32_t)rte_rand() | ONVM_TRACE_PROBE};

    if (!read_request(node, request, &sending, failure))
        return false;
    worker_call(&node->worker[0], send_probe, &sending);
    *id = sending.id;
    return sending.obstacle == NULL || fail(failure, "chain.probe: %s", sending.obstacle);
}

bool
chain_probe_goes_on(const struct worker *worker, uint16_t chain)
{
    const struct span_end *end = &worker->spans.end[worker->exit[chain].span];

    return worker->path[chain].exits && end->wrap.kind != WRAP_VLAN;
}

/* Why a packet could not leave here; ONVM_DROP_REASON_COUNT: it could. */
static enum onvm_drop_reason
find_obstacle(const struct worker *worker, uint16_t chain, uint8_t port,
              const struct rte_mbuf *frame)
{
    const struct path *path = &worker->path[chain];

    if (path->exits && path->egress == port)
        return span_obstacle(&worker->spans.end[worker->exit[chain].span], frame);
    return egress_obstacle(worker, port, frame);
}

/* What has arrived has passed its chain: it is no loss of it. */
static void
count_arrival(struct worker *worker, uint16_t chain, const struct rte_mbuf *frame)
{
    struct onvm_flow_count *out = &worker->counters->chain[chain].out;

    ONVM_COUNT(out->packets, 1);
    ONVM_COUNT(out->bytes, frame->pkt_len);
}

void
chain_probe_end(struct worker *worker, uint16_t chain, uint8_t port, struct rte_mbuf *frame)
{
    enum onvm_drop_reason reason = find_obstacle(worker, chain, port, frame);
    bool arrived = reason == ONVM_DROP_REASON_COUNT;

    if (arrived) {
        reason = ONVM_DROP_probe_arrived;
        count_arrival(worker, chain, frame);
    }
    trace_end(&worker->latency.trace, region_index(worker->region, frame), chain,
              ONVM_VERDICT_DROP, (uint16_t)reason);
    worker_drop(worker, arrived ? 0 : chain, frame, reason);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "status.h"

#include "link.h"
#include "eras.h"
#include "nf.h"
#include "span.h"

static void
write_mac(const uint8_t *mac, char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

static json_t *
describe_port(const struct node *node, struct port *port)
{
    char mac[18];

    write_mac(port->mac, mac);
    return json_pack("{s:s, s:i, s:s, s:b, s:s, s:i, s:b, s:b, s:i}", "name", port->name, "id",
                     (int)port->id, "kind", port->kind, "up", (int)port->ops->up(port), "mac", mac,
                     "mtu", (int)port->mtu, "polled", (int)port_is_polled(port),
                     "remote", (int)node_port_is_remote(node, port), "queues",
                     (int)port_receivers(port));
}

static json_t *
describe_nf(const struct nf *nf)
{
    json_t *description =
        json_pack("{s:s, s:i, s:s, s:s, s:b, s:i, s:i}", "name", nf->name, "id", (int)nf->id,
                  "service", nf->node->service[nf->service].name, "state",
                  nf_state_name(nf->state), "leaving", (int)nf->leaving, "weight",
                  (int)nf->weight, "waiting", (int)link_waiting(nf->node, nf));

    if (nf->state != NF_EXPECTED) {
        json_object_set_new(description, "module", json_string(nf->module));
        json_object_set_new(description, "pid", json_integer(nf->pid));
    }
    return description;
}

static json_t *
describe_chain(const struct node *node, const struct chain *chain)
{
    json_int_t in_flight = (json_int_t)node_in_flight(node, chain->id);

    return json_pack("{s:i, s:s, s:b, s:b, s:I}", "id", (int)chain->id, "name", chain->name,
                     "reverse", (int)chain->reverse, "draining", (int)chain->draining, "in_flight",
                     in_flight);
}

static json_t *
describe_span(const struct node *node, const struct span *span)
{
    char mac[18];

    write_mac(span->wrap.next_mac, mac);
    json_t *description =
        json_pack("{s:i, s:s, s:s, s:s, s:b, s:I, s:i}", "id", (int)span->id, "name", span->name,
                  "peer", span->peer, "port", node->port[span->port]->name, "up", (int)span->up, "round_trip",
                  (json_int_t)span->liveness.round_trip, "cut_off", (int)span->liveness.cut_offs);
    if (span->resolved)
        json_object_set_new(description, "mac", json_string(mac));
    return description;
}

static json_t *
describe_spans(const struct node *node)
{
    json_t *spans = json_array();

    for (unsigned i = 0; i < ONVM_MAX_LINKS; i++)
        if (node->span[i] != NULL)
            json_array_append_new(spans, describe_span(node, node->span[i]));
    return spans;
}

static json_t *
describe_eras(const struct node *node)
{
    json_t *flows = json_array();

    for (unsigned era = 0; era < ONVM_ERAS; era++)
        json_array_append_new(flows, json_integer(eras_flows(node, era)));
    return json_pack("{s:i, s:o, s:I}", "now", (int)node->balance.era, "flows", flows, "moved",
                     (json_int_t)node->balance.moved);
}

static json_t *
describe_workers(const struct node *node)
{
    json_t *workers = json_array();

    for (unsigned i = 0; i < node->workers; i++)
        json_array_append_new(workers, json_pack("{s:i, s:i}", "cpu", (int)node->options.core[i],
                                                 "socket", node->socket[i]));
    return workers;
}

struct buffers {
    json_int_t total, out, vacant;
};

/* A worker brings its counters up to date only now and then; this asks it to. */
static void
add_buffers(struct worker *worker, void *argument)
{
    struct buffers *buffers = argument;

    buffers->total += worker->region->layout.buffers;
    buffers->out += (json_int_t)worker->ledger.out;
    buffers->vacant += rte_mempool_avail_count(worker->pool);
}

static json_t *
describe_buffers(struct node *node)
{
    struct buffers buffers = {0};

    node_call(node, add_buffers, &buffers);
    return json_pack("{s:I, s:I, s:I}", "total", buffers.total, "out", buffers.out, "free",
                     buffers.vacant);
}

json_t *
status_describe(struct node *node)
{
    json_t *ports = json_array(), *nfs = json_array(), *chains = json_array();
    json_t *description;

    for (unsigned i = 0; i < ONVM_MAX_PORTS; i++)
        if (node->port[i] != NULL)
            json_array_append_new(ports, describe_port(node, node->port[i]));
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL)
            json_array_append_new(nfs, describe_nf(node->nf[i]));
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (node->chain[i] != NULL)
            json_array_append_new(chains, describe_chain(node, node->chain[i]));
    description = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "ports", ports, "nfs", nfs, "chains",
                            chains, "buffers", describe_buffers(node), "eras",
                            describe_eras(node), "workers", describe_workers(node));
    json_object_set_new(description, "links", describe_spans(node));
    if (node->default_chain != 0)
        json_object_set_new(description, "default_chain", json_integer(node->default_chain));
    return description;
}

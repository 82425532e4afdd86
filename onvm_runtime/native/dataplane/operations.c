/* SPDX-License-Identifier: BSD-3-Clause */
#include "operations.h"

#include <rte_cycles.h>
#include <rte_log.h>
#include <rte_version.h>
#include <string.h>
#include <unistd.h>

#include "chain_probe.h"
#include "control.h"
#include "eras.h"
#include "nf.h"
#include "plan.h"
#include "question.h"
#include "session.h"
#include "span.h"
#include "status.h"
#include "topology.h"
#include "version.h"

/* One request on its way: an operation answers it, keeps the asker for later, or fails. */
struct call {
    struct node *node;
    json_t *request;
    struct asker asker;
    bool *events;
};

static bool
answer(const struct call *call, json_t *result, int fd)
{
    control_answer(call->node, call->asker, result, fd);
    return true;
}

/* Reads {"op", "name"}; NULL with the failure set. */
static const char *
only_name(const struct call *call, struct failure *failure)
{
    const char *op, *name;
    json_error_t error;

    if (json_unpack_ex(call->request, &error, JSON_STRICT, "{s:s, s:s}", "op", &op, "name",
                       &name) == 0)
        return name;
    fail(failure, "%s: %s", json_string_value(json_object_get(call->request, "op")), error.text);
    return NULL;
}

static bool
hello(const struct call *call, struct failure *failure)
{
    const struct node *node = call->node;
    json_int_t abi = json_integer_value(json_object_get(call->request, "abi"));

    if (abi != ONVM_ABI_VERSION)
        return fail(failure,
                    "the manager speaks ABI version %lld, the data plane version %u: install the "
                    "same release of both",
                    (long long)abi, ONVM_ABI_VERSION);
    return answer(call,
                  json_pack("{s:i, s:i, s:s, s:s, s:b, s:i, s:i}", "abi", ONVM_ABI_VERSION, "pid",
                            (int)getpid(), "version", ONVM_VERSION, "dpdk", rte_version(),
                            "hugepages", (int)node->hugepages, "buffers",
                            (int)region_buffers(&node->region), "buffer_size",
                            (int)node->region.layout.stride),
                  -1);
}

static bool
events(const struct call *call, struct failure *failure)
{
    (void)failure;
    *call->events = true;
    return answer(call, json_object(), -1);
}

static bool
status(const struct call *call, struct failure *failure)
{
    (void)failure;
    return answer(call, status_describe(call->node), -1);
}

static bool
counters(const struct call *call, struct failure *failure)
{
    (void)failure;
    return answer(call, json_object(), call->node->counters.fd);
}

static uint8_t
free_port_id(const struct node *node)
{
    uint8_t id = 0;

    while (id < ONVM_MAX_PORTS && node->port[id] != NULL)
        id++;
    return id;
}

/* NFs know ports by number: tell them of the change. */
static void
reconfigure_nfs(struct node *node)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->state == NF_RUNNING)
            session_configure(node->nf[i]);
}

/* An interface in another namespace is not in the tree that we see. */
static void
locate_port(const struct node *node, struct port *port, json_t *request)
{
    const char *address = json_string_value(json_object_get(request, "address"));
    const char *interface = json_string_value(json_object_get(request, "interface"));

    if (address != NULL)
        port->socket = topology_of_pci(node->options.topology, address);
    else if (interface != NULL && port->netns < 0)
        port->socket = topology_of_interface(node->options.topology, interface);
    if (node_port_is_remote(node, port))
        RTE_LOG(WARNING, USER1, "port %s is on NUMA node %d, where no worker is\n", port->name,
                port->socket);
}

static bool
port_add(const struct call *call, struct failure *failure)
{
    struct node *node = call->node;
    const char *name = json_string_value(json_object_get(call->request, "name"));
    uint8_t id = free_port_id(node);

    if (name == NULL || !node_name_valid(name))
        return fail(failure, "port.add: name is missing or cannot be a port's name");
    if (node_port(node, name) != ONVM_MAX_PORTS)
        return fail(failure, "there is a port %s already", name);
    if (id == ONVM_MAX_PORTS)
        return fail(failure, "more than %d ports on this node", ONVM_MAX_PORTS);
    node->port[id] = port_open(call->request, id, &node->region, node_counters(node), failure);
    if (node->port[id] == NULL)
        return false;
    locate_port(node, node->port[id], call->request);
    node_call(node, worker_add_port, node->port[id]);
    reconfigure_nfs(node);
    return answer(call, json_pack("{s:i}", "id", (int)id), -1);
}

static const struct chain *
chain_that_leaves_by(const struct node *node, uint8_t port)
{
    for (unsigned i = 1; i < ONVM_MAX_CHAINS; i++)
        if (node->chain[i] != NULL && node->chain[i]->egress == port)
            return node->chain[i];
    return NULL;
}

static const struct span *
link_on(const struct node *node, uint8_t port)
{
    for (unsigned i = 0; i < ONVM_MAX_LINKS; i++)
        if (node->span[i] != NULL && node->span[i]->port == port)
            return node->span[i];
    return NULL;
}

static bool
port_remove(const struct call *call, struct failure *failure)
{
    struct node *node = call->node;
    const char *name = only_name(call, failure);
    uint8_t id = name != NULL ? node_port(node, name) : ONVM_MAX_PORTS;
    const struct chain *chain;

    if (name == NULL)
        return false;
    if (id == ONVM_MAX_PORTS)
        return fail(failure, "there is no port %s", name);
    chain = chain_that_leaves_by(node, id);
    if (chain != NULL)
        return fail(failure, "chain %s leaves by port %s; change the chain first", chain->name,
                    name);
    if (link_on(node, id) != NULL)
        return fail(failure, "link %s stands on port %s; change the chains first",
                    link_on(node, id)->name, name);
    node_call(node, worker_remove_port, node->port[id]);
    port_close(node->port[id]);
    node->port[id] = NULL;
    reconfigure_nfs(node);
    return answer(call, json_object(), -1);
}

static bool
expect(const struct call *call, struct failure *failure)
{
    const struct nf *nf = nf_expect(call->node, call->request, failure);
    char path[256];

    if (nf == NULL)
        return false;
    session_socket_path(nf, path, sizeof(path));
    return answer(call, json_pack("{s:i, s:s}", "id", (int)nf->id, "socket", path), -1);
}

static bool
forget(const struct call *call, struct failure *failure)
{
    return nf_forget(call->node, call->request, call->asker, failure);
}

static bool
weigh(const struct call *call, struct failure *failure)
{
    json_t *weights = json_object_get(call->request, "weights");

    return nf_weigh(call->node, weights, failure) && answer(call, json_object(), -1);
}

static bool
flows_of_nf(const struct call *call, struct failure *failure)
{
    const char *name = only_name(call, failure);
    const struct nf *nf = name != NULL ? node_nf(call->node, name) : NULL;

    if (name == NULL)
        return false;
    if (nf == NULL)
        return fail(failure, "there is no NF %s", name);
    return answer(call, json_pack("{s:I}", "flows", (json_int_t)eras_flows_of(call->node, nf)), -1);
}

static bool
query(const struct call *call, struct failure *failure)
{
    return question_ask(call->node, call->request, call->asker, failure);
}

static bool
nf_counters(const struct call *call, struct failure *failure)
{
    const char *name = only_name(call, failure);
    const struct nf *nf = name != NULL ? node_nf(call->node, name) : NULL;

    if (name == NULL)
        return false;
    if (nf == NULL || nf->counters.fd < 0)
        return fail(failure, "NF %s is not attached", name);
    return answer(call, json_object(), nf->counters.fd);
}

static bool
nf_latency(const struct call *call, struct failure *failure)
{
    const char *name = only_name(call, failure);
    const struct nf *nf = name != NULL ? node_nf(call->node, name) : NULL;

    if (name == NULL)
        return false;
    if (nf == NULL || nf->latency.fd < 0)
        return fail(failure, "NF %s is not attached", name);
    return answer(call, json_object(), nf->latency.fd);
}

static bool
latency(const struct call *call, struct failure *failure)
{
    const struct node *node = call->node;

    (void)failure;
    return answer(call,
                  json_pack("{s:I, s:I, s:b}", "every", (json_int_t)node->worker[0].latency.every,
                            "hz", (json_int_t)rte_get_tsc_hz(), "invariant",
                            (int)latency_clock_is_invariant()),
                  node->latency.fd);
}

static void
set_sampling(struct worker *worker, void *argument)
{
    const uint32_t *every = argument;

    latency_set(&worker->latency, *every);
}

static bool
latency_sample_every(const struct call *call, struct failure *failure)
{
    const char *op;
    json_error_t error;
    int every;

    if (json_unpack_ex(call->request, &error, JSON_STRICT, "{s:s, s:i}", "op", &op, "every",
                       &every) != 0)
        return fail(failure, "latency.sample: %s", error.text);
    if (every < 0 || every > LATENCY_EVERY_MAX)
        return fail(failure, "latency.sample: every must be from 0 to %d", LATENCY_EVERY_MAX);
    if (every > 0 && !latency_clock_is_invariant())
        return fail(failure, "latency cannot be measured here: the time stamp counter of this CPU "
                             "is not invariant, so its cycles are no time");
    node_call(call->node, set_sampling, &(uint32_t){(uint32_t)every});
    return answer(call, json_object(), -1);
}

/* What somebody wants to be traced. */
struct wanted_traces {
    json_t *chains;
    int count;
};

static void
want_traces(struct worker *worker, void *argument)
{
    const struct wanted_traces *wanted = argument;
    struct trace *trace = &worker->latency.trace;
    size_t i;
    json_t *id;

    memset(trace->wants, 0, sizeof(trace->wants));
    json_array_foreach(wanted->chains, i, id)
        trace->wants[json_integer_value(id)] = true;
    trace->wanted = (uint32_t)wanted->count;
}

static bool
trace(const struct call *call, struct failure *failure)
{
    struct wanted_traces wanted;
    const char *op;
    json_error_t error;
    size_t i;
    json_t *id;

    if (json_unpack_ex(call->request, &error, JSON_STRICT, "{s:s, s:o, s:i}", "op", &op, "chains",
                       &wanted.chains, "count", &wanted.count) != 0)
        return fail(failure, "trace: %s", error.text);
    if (wanted.count < 0 || wanted.count > TRACE_WANTED_MAX)
        return fail(failure, "trace: count must be from 0 to %d", TRACE_WANTED_MAX);
    if (!json_is_array(wanted.chains))
        return fail(failure, "trace: chains must be a list");
    json_array_foreach(wanted.chains, i, id)
        if (!json_is_integer(id) || json_integer_value(id) < 1 ||
            json_integer_value(id) >= ONVM_MAX_CHAINS)
            return fail(failure, "trace: chains must be numbers of chains");
    node_call(call->node, want_traces, &wanted);
    return answer(call, json_object(), -1);
}

static bool
chain_probe(const struct call *call, struct failure *failure)
{
    uint32_t id;

    return chain_probe_send(call->node, call->request, &id, failure) &&
           answer(call, json_pack("{s:I}", "id", (json_int_t)id), -1);
}

static bool
links_silence(const struct call *call, struct failure *failure)
{
    const char *op;
    json_error_t error;
    int seconds;

    if (json_unpack_ex(call->request, &error, JSON_STRICT, "{s:s, s:i}", "op", &op, "seconds",
                       &seconds) != 0)
        return fail(failure, "links.silence: %s", error.text);
    if (seconds < 0 || seconds > SILENCE_MAX_SECONDS)
        return fail(failure, "links.silence: seconds must be from 0 to %d", SILENCE_MAX_SECONDS);
    call->node->silent_until = node_clock() + 1000 * (uint64_t)seconds;
    return answer(call, json_object(), -1);
}

static bool
plan(const struct call *call, struct failure *failure)
{
    return plan_begin(call->node, call->request, call->asker, failure);
}

static void
clear_flows(struct worker *worker, void *argument)
{
    (void)argument;
    classifier_clear(worker->classifier);
}

static bool
flows_clear(const struct call *call, struct failure *failure)
{
    (void)failure;
    node_call(call->node, clear_flows, NULL);
    return answer(call, json_object(), -1);
}

static bool
stop(const struct call *call, struct failure *failure)
{
    (void)failure;
    call->node->loop.stop = true;
    return answer(call, json_object(), -1);
}

/* Each answers or keeps the asker and returns true, or says why not and returns false. */
static const struct {
    const char *name;
    bool (*serve)(const struct call *call, struct failure *failure);
} operations[] = {
    {"hello", hello},
    {"events", events},
    {"status", status},
    {"counters", counters},
    {"port.add", port_add},
    {"port.remove", port_remove},
    {"nf.expect", expect},
    {"nf.forget", forget},
    {"nf.weigh", weigh},
    {"nf.flows", flows_of_nf},
    {"nf.query", query},
    {"nf.counters", nf_counters},
    {"nf.latency", nf_latency},
    {"latency", latency},
    {"latency.sample", latency_sample_every},
    {"trace", trace},
    {"chain.probe", chain_probe},
    {"links.silence", links_silence},
    {"plan", plan},
    {"flows.clear", flows_clear},
    {"stop", stop},
};

void
operations_serve(struct node *node, json_t *request, struct asker asker, bool *wants_events)
{
    struct call call = {node, request, asker, wants_events};
    const char *op = json_string_value(json_object_get(request, "op"));
    struct failure failure;

    for (size_t i = 0; op != NULL && i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(op, operations[i].name) != 0)
            continue;
        if (!operations[i].serve(&call, &failure))
            control_refuse(node, asker, failure.text);
        return;
    }
    fail(&failure, "there is no operation '%.60s'", op != NULL ? op : "");
    control_refuse(node, asker, failure.text);
}

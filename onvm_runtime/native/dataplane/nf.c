/* SPDX-License-Identifier: BSD-3-Clause */
#include "nf.h"

#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "link.h"
#include "rendezvous.h"
#include "session.h"
#include "wiring.h"

/* How long an NF that leaves may take to empty its edges, and then to obey STOP. */
#define LEAVE_MS 2000
#define STOP_MS 1000

#define WEIGHT_MAX 1000

struct expectation {
    const char *name, *service, *group;
    json_t *parameters, *branches;
    int uid, gid;
    int dedicated;
    int weight, stateful;
};

const char *
nf_state_name(enum nf_state state)
{
    static const char *const names[] = {"expected", "attached", "running", "failed"};

    return names[state];
}

static bool
check_branches(const struct expectation *wanted, struct failure *failure)
{
    json_t *branch;
    size_t i;

    if (!json_is_array(wanted->branches) || json_array_size(wanted->branches) > ONVM_MAX_BRANCHES)
        return fail(failure, "NF %s: branches must be a list of at most %d services", wanted->name,
                    ONVM_MAX_BRANCHES);
    json_array_foreach(wanted->branches, i, branch)
        if (!json_is_string(branch) || !node_name_valid(json_string_value(branch)))
            return fail(failure, "NF %s: branch %zu is not a service's name", wanted->name, i + 1);
    return true;
}

static bool
read_expectation(json_t *request, struct expectation *wanted, struct failure *failure)
{
    const char *op;
    json_error_t error;

    if (json_unpack_ex(request, &error, JSON_STRICT,
                       "{s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:b, s?i, s?b, s?s}", "op", &op,
                       "name", &wanted->name, "service", &wanted->service, "parameters",
                       &wanted->parameters, "branches", &wanted->branches, "uid", &wanted->uid,
                       "gid", &wanted->gid, "dedicated", &wanted->dedicated, "weight",
                       &wanted->weight, "stateful", &wanted->stateful, "group",
                       &wanted->group) != 0)
        return fail(failure, "nf.expect: %s", error.text);
    if (!node_name_valid(wanted->name) || !node_name_valid(wanted->service))
        return fail(failure, "nf.expect: '%s' or '%s' cannot be a name", wanted->name,
                    wanted->service);
    if (wanted->group[0] != '\0' && !node_name_valid(wanted->group))
        return fail(failure, "NF %s: '%s' cannot be a group's name", wanted->name, wanted->group);
    if (!json_is_object(wanted->parameters))
        return fail(failure, "NF %s: parameters must be an object", wanted->name);
    if (wanted->weight < 0 || wanted->weight > WEIGHT_MAX)
        return fail(failure, "NF %s: its weight must be from 0 to %d", wanted->name, WEIGHT_MAX);
    return check_branches(wanted, failure);
}

static bool
place_nf(struct node *node, struct nf *nf, const struct expectation *wanted,
         struct failure *failure)
{
    nf->id = 0;
    while (nf->id < ONVM_MAX_NFS && node->nf[nf->id] != NULL)
        nf->id++;
    if (nf->id == ONVM_MAX_NFS)
        return fail(failure, "more than %d NFs on this node", ONVM_MAX_NFS);
    nf->service = node_service(node, wanted->service);
    if (nf->service == ONVM_MAX_SERVICES)
        return fail(failure, "more than %d services on this node", ONVM_MAX_SERVICES);
    return session_listen(nf, (uid_t)wanted->uid, (gid_t)wanted->gid, failure);
}

static void
free_nf(struct nf *nf)
{
    json_decref(nf->parameters);
    free(nf);
}

static struct nf *
new_nf(struct node *node, const struct expectation *wanted, struct failure *failure)
{
    struct nf *nf = calloc(1, sizeof(*nf));

    if (nf == NULL) {
        fail(failure, "out of memory for NF %s", wanted->name);
        return NULL;
    }
    nf->node = node;
    nf->listener.fd = nf->session.fd = -1;
    nf->doorbell.fd = nf->routes.fd = nf->counters.fd = nf->latency.fd = -1;
    for (unsigned i = 0; i < ONVM_MAX_WORKERS; i++)
        nf->home[i].fd = -1;
    nf->seed = rendezvous_seed(wanted->group[0] != '\0' ? wanted->group : wanted->name);
    snprintf(nf->name, sizeof(nf->name), "%s", wanted->name);
    snprintf(nf->group, sizeof(nf->group), "%s", wanted->group);
    if (!place_nf(node, nf, wanted, failure)) {
        session_unlisten(nf);
        session_remove_directory(nf);
        free_nf(nf);
        return NULL;
    }
    node->nf[nf->id] = nf;
    return nf;
}

static void
adopt_wishes(struct nf *nf, const struct expectation *wanted)
{
    struct service *service = &nf->node->service[nf->service];

    json_decref(nf->parameters);
    nf->parameters = json_incref(wanted->parameters);
    json_decref(service->branches);
    service->branches = json_incref(wanted->branches);
    nf->dedicated = wanted->dedicated;
}

static bool
same_wishes(const struct nf *nf, const struct expectation *wanted)
{
    return json_equal(nf->parameters, wanted->parameters) &&
           json_equal(nf->node->service[nf->service].branches, wanted->branches);
}

static bool
check_known(const struct nf *nf, const struct expectation *wanted, struct failure *failure)
{
    if (nf->leaving)
        return fail(failure, "NF %s is being removed; expect it again when it is gone", nf->name);
    if (strcmp(nf->node->service[nf->service].name, wanted->service) != 0)
        return fail(failure, "NF %s belongs to service %s; forget it first", nf->name,
                    nf->node->service[nf->service].name);
    if (strcmp(nf->group, wanted->group) != 0)
        return fail(failure, "NF %s belongs to %s%s; forget it first", nf->name,
                    nf->group[0] != '\0' ? "group " : "no group", nf->group);
    return true;
}

struct nf *
nf_expect(struct node *node, json_t *request, struct failure *failure)
{
    struct expectation wanted = {.weight = 1, .group = ""};
    struct nf *nf;

    if (!read_expectation(request, &wanted, failure))
        return NULL;
    nf = node_nf(node, wanted.name);
    if (nf != NULL && !check_known(nf, &wanted, failure))
        return NULL;
    if (nf == NULL && (nf = new_nf(node, &wanted, failure)) == NULL)
        return NULL;
    nf->weight = (uint32_t)wanted.weight;
    node->service[nf->service].stateful = wanted.stateful;
    if (!same_wishes(nf, &wanted)) {
        adopt_wishes(nf, &wanted);
        session_configure(nf);
    }
    wiring_refresh(node);
    return nf;
}

static bool
check_weights(const struct node *node, json_t *weights, struct failure *failure)
{
    const char *name;
    json_t *weight;

    if (!json_is_object(weights))
        return fail(failure, "nf.weigh: weights must be an object");
    json_object_foreach(weights, name, weight) {
        if (node_nf(node, name) == NULL)
            return fail(failure, "there is no NF %s", name);
        if (!json_is_integer(weight) || json_integer_value(weight) < 0 ||
            json_integer_value(weight) > WEIGHT_MAX)
            return fail(failure, "NF %s: its weight must be from 0 to %d", name, WEIGHT_MAX);
    }
    return true;
}

bool
nf_weigh(struct node *node, json_t *weights, struct failure *failure)
{
    const char *name;
    json_t *weight;

    if (!check_weights(node, weights, failure))
        return false;
    json_object_foreach(weights, name, weight)
        node_nf(node, name)->weight = (uint32_t)json_integer_value(weight);
    wiring_refresh(node);
    return true;
}

bool
nf_forget(struct node *node, json_t *request, struct asker asker, struct failure *failure)
{
    const char *op, *name;
    json_error_t error;
    struct nf *nf;

    if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s:s}", "op", &op, "name", &name) != 0)
        return fail(failure, "nf.forget: %s", error.text);
    nf = node_nf(node, name);
    if (nf == NULL)
        return fail(failure, "there is no NF %s", name);
    if (nf->leaving)
        return fail(failure, "NF %s is being removed already", name);
    nf->leaving = true;
    nf->leave_by = node_clock() + LEAVE_MS;
    nf->forgetter = asker;
    wiring_refresh(node);
    nf_advance_leaving(node);
    return true;
}

static bool
has_input(const struct node *node, const struct nf *nf)
{
    for (const struct link *link = node->links; link != NULL; link = link->next)
        if (link->to == nf)
            return true;
    return false;
}

static void
remove_nf(struct node *node, struct nf *nf)
{
    session_end(nf, "it was removed");
    session_unlisten(nf);
    session_remove_directory(nf);
    node->nf[nf->id] = NULL;
    control_answer(node, nf->forgetter, json_object(), -1);
    free_nf(nf);
    wiring_refresh(node);
    if (node->plan == NULL)
        node_release_services(node);
}

/* First its edges run empty, then it is told to stop, then it is cut off. */
static void
advance_leaving(struct node *node, struct nf *nf)
{
    bool late = node_clock() >= nf->leave_by;

    if (nf->state == NF_EXPECTED || (nf->stopping && late)) {
        remove_nf(node, nf);
    } else if (!nf->stopping && (late || !has_input(node, nf))) {
        nf->stopping = true;
        nf->leave_by = node_clock() + STOP_MS;
        session_stop(nf);
    }
}

void
nf_advance_leaving(struct node *node)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->leaving)
            advance_leaving(node, node->nf[i]);
}

bool
nf_any_leaving(const struct node *node)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->leaving)
            return true;
    return false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "node.h"

#include <string.h>
#include <time.h>

uint64_t
node_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
node_call(struct node *node, void (*function)(struct worker *, void *), void *argument)
{
    for (unsigned i = 0; i < node->workers; i++)
        worker_call(&node->worker[i], function, argument);
}

uint64_t
node_in_flight(const struct node *node, uint16_t chain)
{
    uint64_t packets = 0;

    for (unsigned i = 0; i < node->workers; i++)
        packets += __atomic_load_n(&node->worker[i].path[chain].in_flight, __ATOMIC_ACQUIRE);
    return packets;
}

bool
node_port_is_remote(const struct node *node, const struct port *port)
{
    bool known = false;

    for (unsigned i = 0; i < node->workers; i++) {
        if (node->socket[i] == port->socket)
            return false;
        known = known || node->socket[i] >= 0;
    }
    return known && port->socket >= 0;
}

uint8_t
node_port(const struct node *node, const char *name)
{
    for (uint8_t i = 0; i < ONVM_MAX_PORTS; i++)
        if (node->port[i] != NULL && strcmp(node->port[i]->name, name) == 0)
            return i;
    return ONVM_MAX_PORTS;
}

struct nf *
node_nf(const struct node *node, const char *name)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && strcmp(node->nf[i]->name, name) == 0)
            return node->nf[i];
    return NULL;
}

static bool
chain_uses(const struct chain *chain, uint16_t service)
{
    for (unsigned hop = 0; chain != NULL && hop < chain->hops; hop++)
        if (chain->service[hop] == service)
            return true;
    return false;
}

static bool
is_branch(const struct node *node, const char *name)
{
    json_t *branch;
    size_t j;

    for (unsigned i = 0; i < ONVM_MAX_SERVICES; i++)
        json_array_foreach(node->service[i].branches, j, branch)
            if (strcmp(json_string_value(branch), name) == 0)
                return true;
    return false;
}

static bool
service_in_use(const struct node *node, uint16_t id)
{
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->service == id)
            return true;
    for (unsigned i = 0; i < ONVM_MAX_CHAINS; i++)
        if (chain_uses(node->chain[i], id))
            return true;
    return is_branch(node, node->service[id].name);
}

void
node_release_services(struct node *node)
{
    for (uint16_t i = 0; i < ONVM_MAX_SERVICES; i++) {
        struct service *service = &node->service[i];
        if (service->name[0] == '\0' || service_in_use(node, i))
            continue;
        json_decref(service->branches);
        *service = (struct service){0};
    }
}

uint16_t
node_service(struct node *node, const char *name)
{
    uint16_t vacant = ONVM_MAX_SERVICES;

    for (uint16_t i = 0; i < ONVM_MAX_SERVICES; i++) {
        if (strcmp(node->service[i].name, name) == 0)
            return i;
        if (node->service[i].name[0] == '\0' && vacant == ONVM_MAX_SERVICES)
            vacant = i;
    }
    if (vacant < ONVM_MAX_SERVICES)
        snprintf(node->service[vacant].name, ONVM_NAME_MAX, "%s", name);
    return vacant;
}

bool
node_name_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < ONVM_NAME_MAX && name[0] != '.' && name[0] != '-' &&
           name[0] != '_' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == length;
}

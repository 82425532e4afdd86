/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads what a plan says of a link. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

#define PREFIX_MAX 32

struct wishes {
    const char *name, *port, *peer, *encapsulation, *address, *gateway, *peer_address;
    int mtu, vni;
};

static bool
unpack(json_t *item, struct wishes *wishes, struct failure *failure)
{
    json_error_t error;

    if (json_unpack_ex(item, &error, JSON_STRICT,
                       "{s:s, s:s, s:s, s:s, s?i, s?s, s?s, s?s, s?i}", "name", &wishes->name,
                       "port", &wishes->port, "peer", &wishes->peer, "encapsulation",
                       &wishes->encapsulation, "mtu", &wishes->mtu, "address", &wishes->address,
                       "gateway", &wishes->gateway, "peer_address", &wishes->peer_address, "vni",
                       &wishes->vni) != 0)
        return fail(failure, "links: %s", error.text);
    if (!node_name_valid(wishes->name) || !node_name_valid(wishes->peer))
        return fail(failure, "links: '%.60s' or '%.60s' cannot be a name", wishes->name,
                    wishes->peer);
    return true;
}

static bool
read_kind(struct span *span, const struct wishes *wishes, struct failure *failure)
{
    static const char *const kinds[] = {"nsh", "vxlan-gpe", "vlan"};

    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        if (strcmp(wishes->encapsulation, kinds[kind]) != 0)
            continue;
        span->wrap.kind = (enum wrap_kind)kind;
        return true;
    }
    return fail(failure, "link %s: there is no encapsulation '%.60s'", span->name,
                wishes->encapsulation);
}

static bool
read_address(const struct span *span, const char *key, const char *text, uint32_t *address,
             struct failure *failure)
{
    struct in_addr read;

    if (text == NULL || inet_pton(AF_INET, text, &read) != 1)
        return fail(failure, "link %s: %s is no IPv4 address", span->name, key);
    *address = ntohl(read.s_addr);
    return true;
}

/* An address and how many of its bits name the network. */
static bool
read_interface(const struct span *span, const char *text, uint32_t *address, unsigned *prefix,
               struct failure *failure)
{
    char plain[INET_ADDRSTRLEN] = "";
    char end;

    if (text == NULL || sscanf(text, "%15[0-9.]/%2u%c", plain, prefix, &end) != 2 ||
        *prefix > PREFIX_MAX)
        return fail(failure, "link %s: address must be an IPv4 address with its prefix",
                    span->name);
    return read_address(span, "address", plain, address, failure);
}

static bool
same_network(uint32_t one, uint32_t other, unsigned prefix)
{
    return prefix == 0 || (one ^ other) >> (PREFIX_MAX - prefix) == 0;
}

static bool
read_routed(struct span *span, const struct wishes *wishes, struct failure *failure)
{
    unsigned prefix = 0;

    if (!read_interface(span, wishes->address, &span->wrap.own_address, &prefix, failure) ||
        !read_address(span, "peer_address", wishes->peer_address, &span->wrap.peer_address,
                      failure))
        return false;
    span->wrap.vni = (uint32_t)wishes->vni;
    span->next_hop = span->wrap.peer_address;
    if (wishes->gateway != NULL)
        return read_address(span, "gateway", wishes->gateway, &span->next_hop, failure);
    if (!same_network(span->wrap.own_address, span->wrap.peer_address, prefix))
        return fail(failure, "link %s: %s is not in our network: name a gateway", span->name,
                    wishes->peer_address);
    return true;
}

static bool
fill(const struct node *node, struct span *span, json_t *item, struct failure *failure)
{
    struct wishes wishes = {0};

    if (!unpack(item, &wishes, failure))
        return false;
    snprintf(span->name, sizeof(span->name), "%s", wishes.name);
    snprintf(span->peer, sizeof(span->peer), "%s", wishes.peer);
    span->port = node_port(node, wishes.port);
    span->mtu = (uint16_t)wishes.mtu;
    if (span->port == ONVM_MAX_PORTS)
        return fail(failure, "link %s: there is no port %s on this node", span->name, wishes.port);
    return read_kind(span, &wishes, failure) &&
           (span->wrap.kind != WRAP_VXLAN_GPE || read_routed(span, &wishes, failure));
}

static bool
give_id(const struct node *node, struct span *const *planned, struct span *span,
        struct failure *failure)
{
    while (span->id < ONVM_MAX_LINKS &&
           (node->span[span->id] != NULL || planned[span->id] != NULL))
        span->id++;
    if (span->id < ONVM_MAX_LINKS)
        return true;
    return fail(failure, "more than %d links on this node", ONVM_MAX_LINKS);
}

static bool
read_new(const struct node *node, json_t *item, struct span **planned, struct failure *failure)
{
    struct span *span = calloc(1, sizeof(*span));

    if (span == NULL)
        return fail(failure, "out of memory for a link");
    span->text = json_incref(item);
    memset(span->wrap.next_mac, 0xff, sizeof(span->wrap.next_mac)); /* until it is learnt */
    if (!fill(node, span, item, failure) || !give_id(node, planned, span, failure)) {
        span_free(span);
        return false;
    }
    planned[span->id] = span;
    return true;
}

bool
span_read(const struct node *node, json_t *item, struct span **planned, struct failure *failure)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    struct span *known = name != NULL ? span_find(node->span, name) : NULL;

    if (name != NULL && span_find(planned, name) != NULL)
        return fail(failure, "link %s is there twice", name);
    if (known == NULL)
        return read_new(node, item, planned, failure);
    if (!json_equal(known->text, item)) /* it would change under the chains that leave by it */
        return fail(failure, "link %s is in use with other settings: give the new one another name",
                    name);
    planned[known->id] = known;
    return true;
}

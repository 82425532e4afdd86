/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks what a request says of a port, and hands it to the port's kind. */
#include "port.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "netns.h"
#include "port_kinds.h"

#define MTU_DEFAULT 1500
#define MTU_MIN 68     /* RFC 791 */
#define MTU_MAX 65000u /* lengths are 16 bits, and a packet socket's slot 64 KB */
#define INTERFACE_MAX 15
#define MAX_KEYS 4

static inline unsigned
outgoing_fault(const struct port *port, const struct rte_mbuf *frame)
{
    if (unlikely(frame->pkt_len < FRAME_HEADER))
        return ONVM_DROP_runt;
    return unlikely(frame->pkt_len > port_longest(port)) ? ONVM_DROP_oversize
                                                         : ONVM_DROP_REASON_COUNT;
}

/* Puts a frame of several buffers into one; false: counted and freed. */
static bool
linearise(struct port_queue *queue, struct rte_mbuf **frame)
{
    struct rte_mbuf *whole = frame_linearise(queue->pool, *frame);

    if (whole == NULL) {
        bool fits = (*frame)->pkt_len <= frame_room(queue->pool);

        port_refuse_sending(queue, fits ? ONVM_DROP_no_buffer : ONVM_DROP_oversize, 1);
        rte_pktmbuf_free(*frame);
        return false;
    }
    *frame = whole;
    return true;
}

uint16_t
port_check_outgoing(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count)
{
    uint16_t good = 0;

    for (uint16_t i = 0; i < count; i++) {
        unsigned reason = outgoing_fault(queue->port, frames[i]);

        if (likely(reason == ONVM_DROP_REASON_COUNT)) {
            if (likely(frames[i]->nb_segs == 1 || queue->port->gathers) ||
                linearise(queue, &frames[i]))
                frames[good++] = frames[i];
            continue;
        }
        port_refuse_sending(queue, reason, 1);
        rte_pktmbuf_free(frames[i]);
    }
    return good;
}

/* A key of one kind.  `accept` looks at the value, and says in `failure` what is wrong. */
struct port_key {
    const char *name;
    bool required;
    bool (*accept)(const struct port_key *key, const json_t *value, struct failure *failure);
};

struct port_kind {
    const char *name;
    bool (*open)(struct port *port, json_t *request, struct failure *failure);
    bool namespaced;
    struct port_key key[MAX_KEYS];
};

/* Texts go into DPDK's device arguments, which know no quotes. */
static bool
accept_text(const struct port_key *key, const json_t *value, struct failure *failure)
{
    const char *text = json_string_value(value);

    if (text == NULL || *text == '\0')
        return fail(failure, "%s: must be a text", key->name);
    if (strpbrk(text, ",\"'[]() \t\n") != NULL)
        return fail(failure, "%s: \"%s\" has a comma, quote, bracket or space in it; rename it",
                    key->name, text);
    return true;
}

static bool
accept_interface(const struct port_key *key, const json_t *value, struct failure *failure)
{
    const char *text = json_string_value(value);

    if (!accept_text(key, value, failure))
        return false;
    if (strlen(text) > INTERFACE_MAX || strpbrk(text, "/:=") != NULL)
        return fail(failure, "%s: \"%s\" is no name of a network interface (1 to %d characters)",
                    key->name, text, INTERFACE_MAX);
    return true;
}

static bool
accept_bool(const struct port_key *key, const json_t *value, struct failure *failure)
{
    return json_is_boolean(value) || fail(failure, "%s: must be true or false", key->name);
}

static bool
accept_size(const struct port_key *key, const json_t *value, struct failure *failure)
{
    json_int_t size = json_integer_value(value);

    if (!json_is_integer(value) || size < FRAME_HEADER || size > UINT16_MAX)
        return fail(failure, "%s: must be a frame's length, %d bytes or more", key->name,
                    FRAME_HEADER);
    return true;
}

static const struct port_kind kinds[] = {
    {"pci", port_ethdev_open, false, {{"address", true, accept_text}}},
    {"af_xdp", port_ethdev_open, true, {{"interface", true, accept_interface}}},
    {"af_packet", port_packet_open, true, {{"interface", true, accept_interface}}},
    {"tap", port_ethdev_open, true, {{"interface", true, accept_interface}}},
    {"pcap",
     port_ethdev_open,
     false,
     {{"receive", false, accept_text},
      {"transmit", false, accept_text},
      {"loop", false, accept_bool}}},
    {"null", port_ethdev_open, false, {{"size", false, accept_size}}},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct port_kind *
kind_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static const struct port_kind *
read_kind(json_t *request, struct failure *failure)
{
    const char *name = port_text(request, "kind");
    const struct port_kind *kind = kind_find(name);

    if (kind == NULL)
        fail(failure, "kind: %s%s%s; there are pci, af_xdp, af_packet, tap, pcap and null",
             name == NULL ? "is missing" : "there is no \"", name == NULL ? "" : name,
             name == NULL ? "" : "\"");
    return kind;
}

static bool
is_common_key(const struct port_kind *kind, const char *name)
{
    return strcmp(name, "op") == 0 || strcmp(name, "name") == 0 || strcmp(name, "kind") == 0 ||
           strcmp(name, "mtu") == 0 || (kind->namespaced && strcmp(name, "netns") == 0);
}

static const struct port_key *
kind_key(const struct port_kind *kind, const char *name)
{
    for (const struct port_key *key = kind->key; key < kind->key + MAX_KEYS && key->name; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

static bool
check_keys(const struct port_kind *kind, json_t *request, struct failure *failure)
{
    const char *name;
    json_t *value;

    json_object_foreach (request, name, value) {
        const struct port_key *key = kind_key(kind, name);

        if (key == NULL && !is_common_key(kind, name))
            return fail(failure, "%s: a port of kind %s has no such key", name, kind->name);
        if (key != NULL && !key->accept(key, value, failure))
            return false;
    }
    for (const struct port_key *key = kind->key; key < kind->key + MAX_KEYS && key->name; key++)
        if (key->required && json_object_get(request, key->name) == NULL)
            return fail(failure, "%s: is missing; a port of kind %s needs it", key->name,
                        kind->name);
    return true;
}

static bool
is_name(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && (i == 0 || strchr("_.-", text[i]) == NULL))
            return false;
    return length > 0 && length < ONVM_NAME_MAX;
}

static bool
read_name(struct port *port, json_t *request, struct failure *failure)
{
    const char *name = port_text(request, "name");

    if (name == NULL || !is_name(name))
        return fail(failure, "name: must have 1 to %d letters, digits, \"_\", \".\" and \"-\"",
                    ONVM_NAME_MAX - 1);
    strcpy(port->name, name);
    return true;
}

static bool
read_mtu(struct port *port, json_t *request, struct failure *failure)
{
    const json_t *value = json_object_get(request, "mtu");
    json_int_t mtu = value == NULL ? MTU_DEFAULT : json_integer_value(value);
    uint32_t room = frame_room(port->region->slice[0].pool);
    json_int_t most = RTE_MIN(ONVM_MAX_SEGMENTS * room - PORT_L2_ROOM, MTU_MAX);

    if (value != NULL && !json_is_integer(value))
        return fail(failure, "mtu: must be a whole number of bytes");
    if (mtu < MTU_MIN || mtu > most)
        return fail(failure,
                    "mtu: must be from %d to %" JSON_INTEGER_FORMAT
                    ", which is what %d buffers of %u bytes take; buffer_size makes them larger",
                    MTU_MIN, most, ONVM_MAX_SEGMENTS, port->region->layout.stride);
    port->mtu = (uint16_t)mtu;
    port->segments = (uint8_t)((port_longest(port) + room - 1) / room);
    return true;
}

static bool
read_netns(struct port *port, json_t *request, struct failure *failure)
{
    const json_t *value = json_object_get(request, "netns");
    const char *name = json_string_value(value);

    if (value == NULL)
        return true;
    if (name == NULL || *name == '\0' || strchr(name, '/') != NULL || name[0] == '.')
        return fail(failure, "netns: must be a name that `ip netns` lists");
    port->netns = netns_open(name, failure);
    return port->netns >= 0;
}

static bool
read_common(struct port *port, const struct port_kind *kind, json_t *request,
            struct failure *failure)
{
    strcpy(port->kind, kind->name);
    return read_mtu(port, request, failure) && check_keys(kind, request, failure) &&
           read_netns(port, request, failure);
}

/* Within the port's namespace, if it has one. */
static bool
open_kind(struct port *port, const struct port_kind *kind, json_t *request,
          struct failure *failure)
{
    bool opened;
    int home;

    if (port->netns < 0)
        return kind->open(port, request, failure);
    home = netns_enter(port->netns);
    if (home < 0)
        return fail(failure, "netns: cannot enter it: %s; this needs CAP_SYS_ADMIN",
                    strerror(errno));
    opened = kind->open(port, request, failure);
    netns_leave(home);
    return opened;
}

static void
port_free(struct port *port)
{
    if (port->netns >= 0)
        close(port->netns);
    free(port);
}

/* Puts the port's name in front of what went wrong. */
static void
name_failure(const struct port *port, struct failure *failure)
{
    struct failure reason = *failure;

    fail(failure, "port %s: %.400s", port->name[0] != '\0' ? port->name : "?", reason.text);
}

static bool
open_port(struct port *port, json_t *request, struct failure *failure)
{
    const struct port_kind *kind;

    if (!read_name(port, request, failure))
        return false;
    kind = read_kind(request, failure);
    return kind != NULL && read_common(port, kind, request, failure) &&
           open_kind(port, kind, request, failure);
}

static void
prepare_queues(struct port *port, struct onvm_node_counters *node)
{
    port->queues = port->region->layout.slices;
    for (unsigned i = 0; i < port->queues; i++)
        port->queue[i] = (struct port_queue){
            .port = port,
            .worker = i,
            .receives = true,
            .wait_fd = -1,
            .pool = port->region->slice[i].pool,
            .counters = &node->worker[i].port[port->id],
            .node = &node->worker[i],
        };
}

unsigned
port_receivers(const struct port *port)
{
    unsigned count = 0;

    for (unsigned i = 0; i < port->queues; i++)
        count += port->queue[i].receives;
    return count;
}

bool
port_queue_is_polled(const struct port_queue *queue)
{
    return queue->receives && queue->wait_fd < 0 &&
           !__atomic_load_n(&queue->ended, __ATOMIC_RELAXED);
}

bool
port_is_polled(const struct port *port)
{
    for (unsigned i = 0; i < port->queues; i++)
        if (port_queue_is_polled(&port->queue[i]))
            return true;
    return false;
}

struct port *
port_open(json_t *request, uint8_t id, struct region *region, struct onvm_node_counters *node,
          struct failure *failure)
{
    struct port *port = calloc(1, sizeof(*port));

    if (port == NULL) {
        fail(failure, "no memory for a port");
        return NULL;
    }
    port->id = id;
    port->netns = port->socket = -1;
    port->region = region;
    prepare_queues(port, node);
    if (open_port(port, request, failure))
        return port;
    name_failure(port, failure);
    port_free(port);
    return NULL;
}

void
port_close(struct port *port)
{
    int home = port->netns >= 0 ? netns_enter(port->netns) : -1;

    port->ops->close(port);
    if (home >= 0)
        netns_leave(home);
    port_free(port);
}

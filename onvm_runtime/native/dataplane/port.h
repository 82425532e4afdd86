/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: where frames enter and leave a node.
 *
 * Two kinds stand behind the same three operations: a DPDK ethdev (PCI devices,
 * af_xdp, tap, pcap, null) and our own packet socket (af_packet), which knows
 * what a kernel peer left undone because it reads virtio-net headers.
 *
 * A port has a queue for each worker, and only that worker uses it: so two workers
 * never meet at a port.  Where the device has too few queues, some workers do not
 * receive by the port, and those that share a queue to send by take turns (ethdev.h).
 *
 * What the path may rely on
 *   - a received frame is a chain of at most ONVM_MAX_SEGMENTS mbufs of the
 *     worker's pool, no longer than the port's MTU plus 18 bytes of L2 header; its
 *     checksums are finished and large segments of a kernel peer have been cut up
 *   - VLAN tags are in the frame, never in the mbuf only
 *   - whatever cannot be delivered like this was counted as a drop
 */
#ifndef ONVM_DATAPLANE_PORT_H
#define ONVM_DATAPLANE_PORT_H

#include <jansson.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/counters.h"
#include "failure.h"
#include "region.h"

struct port;
struct port_queue;

struct port_ops {
    /* Up to `count` (<= ONVM_BURST) frames; see the promises above. */
    uint16_t (*receive)(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);
    /* Owns all of them from here on: sends or frees, and counts both. */
    void (*transmit)(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);
    /* Asks the device, so not for every burst.  Clears a socket's pending error as well: until
     * then wait_fd wakes whoever waits. */
    bool (*up)(struct port *port);
    /* Before a sleep: has the device make wait_fd readable when frames come, which it may only do for
     * those that come from now on.  After it: ends that.  NULL: it always does, or never. */
    void (*watch)(struct port_queue *queue, bool watched);
    /* Refreshes counters that only the device knows (rx_missed); may be NULL. */
    void (*refresh)(struct port_queue *queue);
    void (*close)(struct port *port); /* called within the port's namespace */
};

/* What one worker has of a port. */
struct port_queue {
    struct port *port;
    unsigned worker;
    bool receives;
    int wait_fd; /* readable when frames wait; -1: the queue must be polled, if it receives */
    bool ended;  /* it played a file, to the end; the worker stores it, others may look */
    void *state; /* of the kind */
    struct rte_mempool *pool;              /* for frames that it receives */
    struct onvm_port_counters *counters;   /* of this port, written by the worker only */
    struct onvm_worker_counters *node;     /* for drop reasons; by the worker only */
};

struct port {
    char name[ONVM_NAME_MAX];
    char kind[16];
    uint8_t id;
    uint8_t mac[6];
    uint16_t mtu;
    uint8_t segments; /* buffers of its longest frame */
    bool gathers;     /* sends frames of several buffers as they are */
    int netns;        /* the namespace that it lives in; -1: the data plane's own */
    int socket;       /* NUMA node of its device; -1: not known */
    const struct port_ops *ops;
    void *state; /* of the kind */
    struct region *region;
    unsigned queues; /* one for each worker */
    struct port_queue queue[ONVM_MAX_WORKERS];
};

/* Workers that receive by it. */
unsigned port_receivers(const struct port *port);

/* Whether somebody has to look again and again whether a frame came. */
bool port_queue_is_polled(const struct port_queue *queue);
bool port_is_polled(const struct port *port);

/*
 * Opens the port that a port.add request describes (control.h, docs/ports.md).
 * Called on the control thread while the workers run; enters the port's network
 * namespace and comes back.  NULL: nothing is left behind and failure says why.
 */
struct port *port_open(json_t *request, uint8_t id, struct region *region,
                       struct onvm_node_counters *node, struct failure *failure);

/* Ends the port; no worker may use it any more. */
void port_close(struct port *port);

#endif

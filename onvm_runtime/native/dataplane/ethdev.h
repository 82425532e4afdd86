/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port on a DPDK ethdev: its state, and its two directions.
 *
 * Each worker has a receive and a transmit queue where the device has enough of
 * them.  Of a device with fewer receive queues only some workers receive; ports
 * begin with different workers, so that several such ports are spread.  Workers
 * that share a transmit queue lock it for a burst: on devices that have but one
 * queue, never on those that have one for each.  A ring to an owner would spare
 * them the lock, but would make each burst wait for the owner's next turn and its
 * wake-up, where the lock is nearly always free.
 */
#ifndef ONVM_DATAPLANE_ETHDEV_H
#define ONVM_DATAPLANE_ETHDEV_H

#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include "interface.h"
#include "port.h"
#include "xdp_leftovers.h"

/* What a worker needs to know of it. */
struct ethdev_queue {
    uint16_t id;
    uint16_t receive, transmit;
    rte_spinlock_t *turn; /* of the transmit queue; NULL: no other worker sends by it */
    struct ethdev *ethdev;
};

struct ethdev {
    uint16_t id;
    uint16_t rx_queues, tx_queues;
    bool interrupts; /* its driver can tell of frames that came, so that nobody needs to look */
    unsigned first; /* worker that has receive queue 0, and refreshes the counters */
    struct ethdev_queue queue[ONVM_MAX_WORKERS];
    rte_spinlock_t turn[ONVM_MAX_WORKERS]; /* by transmit queue */
    struct rte_device *device;   /* NULL: not probed */
    struct rte_mempool *private; /* of af_xdp; NULL: frames arrive in the region */
    struct rte_eth_stats seen;   /* that the counters have already */

    /* of af_xdp, whose driver neither watches the link nor cleans up */
    struct interface kernel;
    struct xdp_descriptors xdp;
};

/* Operations of the port (port.h): for frames that arrive in the region, that are read from a
 * file, and that arrive in the private pool. */
uint16_t ethdev_receive(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);
uint16_t ethdev_receive_file(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);
uint16_t ethdev_receive_copying(struct port_queue *queue, struct rte_mbuf **frames,
                                uint16_t count);
void ethdev_watch(struct port_queue *queue, bool watched);
void ethdev_transmit(struct port_queue *queue, struct rte_mbuf **frames, uint16_t count);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A port on a DPDK ethdev: its state, and its two directions. */
#ifndef ONVM_DATAPLANE_ETHDEV_H
#define ONVM_DATAPLANE_ETHDEV_H

#include <rte_ethdev.h>

#include "interface.h"
#include "port.h"
#include "xdp_leftovers.h"

struct ethdev {
    uint16_t id;
    struct rte_device *device;   /* NULL: not probed */
    struct rte_mempool *private; /* of af_xdp; NULL: frames arrive in the region */
    struct rte_eth_stats seen;   /* that the counters have already */

    /* of af_xdp, whose driver neither watches the link nor cleans up */
    struct interface kernel;
    struct xdp_descriptors xdp;
};

/* Operations of the port (port.h); the second for frames that arrive in the private pool. */
uint16_t ethdev_receive(struct port *port, struct rte_mbuf **frames, uint16_t count);
uint16_t ethdev_receive_copying(struct port *port, struct rte_mbuf **frames, uint16_t count);
void ethdev_transmit(struct port *port, struct rte_mbuf **frames, uint16_t count);

#endif

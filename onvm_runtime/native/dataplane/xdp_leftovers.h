/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptors that DPDK's af_xdp driver keeps to itself.
 *
 * The driver (22.11, with libxdp 1.3) does not close its XDP socket when its port is
 * closed, and then nobody can use that queue of the interface until the process
 * ends; libxdp leaves its BPF program and map behind as well.  It does not tell the
 * socket either, which can be waited on.  So this looks for them: nothing else
 * in this process opens XDP sockets or BPF objects, and only the control thread
 * opens ports.
 */
#ifndef ONVM_DATAPLANE_XDP_LEFTOVERS_H
#define ONVM_DATAPLANE_XDP_LEFTOVERS_H

#include <stdbool.h>

#define XDP_MAX_DESCRIPTORS 1024 /* numbers that are looked at */

struct xdp_descriptors {
    bool open[XDP_MAX_DESCRIPTORS]; /* by number: is one of an XDP driver */
};

/* Finds all XDP and BPF descriptors of the process. */
void xdp_find(struct xdp_descriptors *found);

/* Leaves in `after` only what was not open `before`. */
void xdp_subtract(struct xdp_descriptors *after, const struct xdp_descriptors *before);

/* The XDP socket among them; -1: there is none. */
int xdp_socket(const struct xdp_descriptors *own);

/* Closes those that are still XDP or BPF descriptors. */
void xdp_close(const struct xdp_descriptors *own);

#endif

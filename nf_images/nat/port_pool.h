/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public ports of one address and protocol: which are taken.
 *
 * A mapping gets the port that the inside host uses itself where that is free,
 * else the next free one of the same parity (RFC 4787, REQ-4), else any.
 */
#ifndef ONVM_NAT_PORT_POOL_H
#define ONVM_NAT_PORT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_NONE UINT32_MAX

struct port_pool {
    uint16_t low, high; /* the ports that may be given */
    uint64_t taken[65536 / 64];
};

void port_pool_open(struct port_pool *pool, uint16_t low, uint16_t high);

/* Takes a port, `wanted` if possible; PORT_NONE where all are taken. */
uint32_t port_pool_take(struct port_pool *pool, uint16_t wanted);

/* Takes this very port; false where it is taken or outside the range. */
bool port_pool_claim(struct port_pool *pool, uint16_t port);

void port_pool_give_back(struct port_pool *pool, uint16_t port);

#endif

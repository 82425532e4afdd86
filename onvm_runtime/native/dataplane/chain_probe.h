/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes of chains: packets that the data plane makes itself, to see whether a chain can be
 * passed before packets of others enter it.
 *
 * A probe enters one chain as if it came by a port, whatever rules and lanes say, and passes
 * its NFs and its links to other nodes like any packet.  What makes it a probe is its id
 * (ONVM_TRACE_PROBE), which lies where no NF can reach it and goes along in NSH.  Where its
 * way ends, it is dropped (probe_arrived) and does not leave: at the egress port of its last
 * node, or before a link of VLANs, on which its id would be lost.  It teaches no way back
 * and, where it enters, no flow.
 *
 * An NF that sends it on as something else, in another buffer or not as a sample, makes it a
 * packet like any, which may leave.
 */
#ifndef ONVM_DATAPLANE_CHAIN_PROBE_H
#define ONVM_DATAPLANE_CHAIN_PROBE_H

#include <jansson.h>

#include "node.h"

/* Carries out chain.probe; the probe's id is in *id.  False: none was sent. */
bool chain_probe_send(struct node *node, json_t *request, uint32_t *id, struct failure *failure);

/* Whether a chain ends in a link that brings the id of its packets along. */
bool chain_probe_goes_on(const struct worker *worker, uint16_t chain);

/* Ends a probe that leaves `chain` by `port`. */
void chain_probe_end(struct worker *worker, uint16_t chain, uint8_t port, struct rte_mbuf *frame);

#endif

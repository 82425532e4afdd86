/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The manager's end of the control channel (protocol/control.h): messages and
 * maps, nothing more.  Which requests there are is the business of the caller,
 * who also owns the event loop: no function here waits for the peer.
 *
 * Functions that return int return a negative errno on failure.
 */
#ifndef ONVM_CONTROL_CONTROL_H
#define ONVM_CONTROL_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "../protocol/control.h"
#include "../protocol/counters.h"
#include "../protocol/histogram.h"

/* A message as it came.  The receiver owns both `text` and `fd`. */
struct onvm_control_received {
    uint32_t number; /* of the request that it answers; 0: an event */
    uint32_t length; /* bytes of the text, without its closing NUL */
    char *text;
    int fd; /* the second descriptor, or -1 */
};

/* Connects to the socket at `path`; returns it, non-blocking and close-on-exec. */
int onvm_control_connect(const char *path);

/* Sends one request; -EAGAIN: the data plane has stopped reading them. */
int onvm_control_send(int socket, uint32_t number, const char *text, size_t length);

/*
 * Takes the next message.  -EAGAIN: there is none now; -ECONNRESET: the data
 * plane closed the channel; -EPROTO: this is no message of this protocol, and
 * nothing of it was kept.
 */
int onvm_control_receive(int socket, struct onvm_control_received *received);

/* Frees the text and closes the descriptor, whichever is there. */
void onvm_control_release(struct onvm_control_received *received);

/*
 * Map counters or latencies read-only.  NULL with errno: EBADMSG the region is too small or
 * could shrink under its readers, EPROTO these are not what they should be, EPROTONOSUPPORT
 * they are of another ABI.  The descriptor stays the caller's.
 */
const struct onvm_node_counters *onvm_control_map_node(int fd);
const struct onvm_nf_counters *onvm_control_map_nf(int fd);
const struct onvm_node_latency *onvm_control_map_node_latency(int fd);
const struct onvm_nf_latency *onvm_control_map_nf_latency(int fd);

void onvm_control_unmap_node(const struct onvm_node_counters *counters);
void onvm_control_unmap_nf(const struct onvm_nf_counters *counters);
void onvm_control_unmap_node_latency(const struct onvm_node_latency *latency);
void onvm_control_unmap_nf_latency(const struct onvm_nf_latency *latency);

#endif

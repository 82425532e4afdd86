/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane's end of one NF session, for tests: it makes the shared memory,
 * speaks the protocol and holds the other end of every edge.  No ports, no DPDK.
 * Every failure ends the test program; the NF is killed with it.
 */
#ifndef ONVM_TESTS_FAKE_DATAPLANE_H
#define ONVM_TESTS_FAKE_DATAPLANE_H

#include <stdbool.h>
#include <sys/types.h>

#include "protocol/counters.h"
#include "protocol/doorbell.h"
#include "protocol/edge.h"
#include "protocol/histogram.h"
#include "protocol/routes.h"
#include "protocol/session.h"

#define FAKE_BUFFERS 4096u /* of one worker */
#define FAKE_SLICE_SHIFT 13 /* so that a slice begins on a page, with a hole before it */
#define FAKE_WORKERS 2u
#define FAKE_STRIDE 2304u
#define FAKE_HEADROOM 128u

/* Shared memory of which the fake keeps the descriptor, to hand it out. */
struct fake_memory {
    int fd;
    void *base;
    size_t size;
};

struct fake_dataplane {
    bool shares; /* its region and doorbell are another's */
    char directory[32];
    char path[64];
    int listener;
    int session;
    pid_t nf;
    uint32_t workers;
    struct fake_memory slice[FAKE_WORKERS], routes, counters, latency;
    struct fake_memory nf_doorbell, worker_doorbell;
    int eventfd;
    uint32_t requests;
};

/* An edge of which the fake holds the end that the NF does not. */
struct fake_edge {
    struct fake_memory memory;
    struct onvm_producer producer;
    struct onvm_consumer consumer;
};

/* Makes the socket and the shared memory; `workers`: 1 to FAKE_WORKERS. */
void fake_start(struct fake_dataplane *fake, uint32_t workers);

/*
 * As fake_start, for a further NF of the process of `other`, which lives longer: its
 * own socket, routes and counters, with the same packets and doorbell.
 */
void fake_start_beside(struct fake_dataplane *fake, const struct fake_dataplane *other);

/* Starts the program of several NFs, each `module`, with the sockets of `count` fakes. */
void fake_run_fused(struct fake_dataplane *fakes, unsigned count, const char *program,
                    const char *module);

/* Starts an NF program with this socket. */
void fake_run_nf(struct fake_dataplane *fake, const char *program);

/* Accepts the NF's connection and its HELLO. */
void fake_accept(struct fake_dataplane *fake);

void fake_welcome(struct fake_dataplane *fake);
void fake_refuse(struct fake_dataplane *fake, uint32_t abi, const char *reason);

/* Sends a text and waits for the answer: its status, its text (to be freed) in *reply. */
uint32_t fake_ask(struct fake_dataplane *fake, uint32_t type, const char *text, char **reply);

/* Sends a bare message. */
void fake_send(struct fake_dataplane *fake, const void *message, size_t length);

/* Makes an edge, opens it in the NF and waits for the acknowledgement. */
void fake_open_edge(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role,
                    uint32_t slot, uint32_t slots);

/* Opens an edge that was made already, for the NF at its other end. */
void fake_open_other_end(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role,
                         uint32_t slot);

/* Closes one end of an edge; the edge is still there. */
void fake_close_end(struct fake_dataplane *fake, uint32_t role, uint32_t slot);

/* Closes the last end of an edge and releases it. */
void fake_close_edge(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role,
                     uint32_t slot);

/* Ends the session, as a data plane that dies does. */
void fake_hang_up(struct fake_dataplane *fake);

/* Waits for the NF to end; its exit status, or 128 + signal. */
int fake_wait_nf(struct fake_dataplane *fake);

/* Releases everything; kills the NF if it still runs. */
void fake_stop(struct fake_dataplane *fake);

static inline struct onvm_routes *
fake_routes(struct fake_dataplane *fake)
{
    return fake->routes.base;
}

static inline struct onvm_nf_counters *
fake_counters(struct fake_dataplane *fake)
{
    return fake->counters.base;
}

/* The number of a worker's buffer. */
static inline uint32_t
fake_index(uint32_t worker, uint32_t buffer)
{
    return (worker << FAKE_SLICE_SHIFT) + buffer;
}

static inline uint8_t *
fake_frame(struct fake_dataplane *fake, const struct onvm_descriptor *descriptor)
{
    uint32_t index = onvm_buffer_index(descriptor->buffer);
    uint32_t place = index & ((1u << FAKE_SLICE_SHIFT) - 1);

    return (uint8_t *)fake->slice[index >> FAKE_SLICE_SHIFT].base + (size_t)place * FAKE_STRIDE +
           descriptor->offset;
}

/* Posts descriptors to an input edge of the NF and rings. */
void fake_post(struct fake_dataplane *fake, struct fake_edge *edge,
               const struct onvm_descriptor *descriptors, uint32_t count);

/* Takes up to `count` descriptors that the NF posted, within five seconds. */
uint32_t fake_take(struct fake_edge *edge, struct onvm_descriptor *descriptors, uint32_t count);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session of an NF with the data plane.
 *
 * A unix socket of type SOCK_SEQPACKET, one listening socket per expected NF at
 * <run>/nf/<name>/nf.sock.  The directory is all that an NF's container sees of
 * the host, so the socket by which it comes is its identity, and there is no
 * secret to leak.  One session at a time: a second NF on the same socket is
 * refused while the first is attached.  Every message is a struct that begins
 * with struct onvm_message; descriptors come along as SCM_RIGHTS; long texts
 * (JSON, UTF-8) are in sealed memfds, never in the message.
 *
 * States               NF sends            data plane sends
 *   connected          HELLO            ->
 *                                        <- WELCOME (attached) or REFUSED (closed)
 *   attached                             <- CONFIGURE with the parameters
 *                      CONFIGURED       ->    (status 0: running; else FAILED follows)
 *   running                              <- EDGE_OPEN, EDGE_CLOSE, CONFIGURE, QUERY,
 *                                             STOP, at any time
 *                      EDGE_ACK         ->    for each EDGE_OPEN and EDGE_CLOSE
 *                      CONFIGURED,
 *                      REPLY            ->    for each CONFIGURE, QUERY
 *   closed             either end closes the socket; the NF unmaps everything and
 *                      connects again unless it was told STOP
 *
 * Why acknowledgements: an NF reads messages between bursts only.  Its answer to
 * EDGE_CLOSE therefore proves that it will never touch that edge again, and its
 * answer to EDGE_OPEN that routes may name the edge.
 *
 * Prohibited
 *   a route to an edge that was not acknowledged (routes.h)
 *   EDGE_CLOSE of an output edge while a route names it
 *   a message before HELLO, or a second HELLO: the data plane closes the session
 */
#ifndef ONVM_PROTOCOL_SESSION_H
#define ONVM_PROTOCOL_SESSION_H

#include "abi.h"

#define ONVM_SESSION_MAGIC 0x6f6e766du /* "onvm" */
#define ONVM_SESSION_SOCKET "nf.sock"
#define ONVM_TEXT_MAX (64u << 20) /* bytes of a text in a memfd, at the most */

enum onvm_message_type {
    /* from the NF */
    ONVM_HELLO = 1,
    ONVM_CONFIGURED,
    ONVM_EDGE_ACK,
    ONVM_REPLY,
    /* from the data plane */
    ONVM_WELCOME = 64,
    ONVM_REFUSED,
    ONVM_CONFIGURE,
    ONVM_EDGE_OPEN,
    ONVM_EDGE_CLOSE,
    ONVM_QUERY,
    ONVM_STOP,
};

struct onvm_message {
    uint32_t type;
    uint32_t request; /* number that an answer repeats; 0 where there is none */
};

struct onvm_hello {
    struct onvm_message header;
    uint32_t magic;
    uint32_t abi;
    char module[ONVM_NAME_MAX]; /* which NF this program is: "firewall" */
};

/*
 * The packet region is one range of addresses, in which buffer i lies at i * stride.
 * It consists of slices, one for each worker: slice w holds the buffers from
 * w << slice_shift on, slice_buffers of them, and the numbers behind them up to the
 * next slice are never used.  A packet goes home by the edge of the worker whose
 * slice its buffer lies in.
 *
 * fds: doorbell, routes, counters, latency, then each slice; in this order
 */
struct onvm_welcome {
    struct onvm_message header;
    uint32_t abi;
    uint32_t nf;            /* its id */
    uint32_t workers;       /* slices of the region, and home edges */
    uint32_t slice_shift;   /* 24 where there is one slice */
    uint32_t slice_buffers;
    uint32_t stride;        /* bytes from one buffer to the next */
    uint32_t spin;          /* empty loops before it yields */
    uint32_t yield;         /* loops with sched_yield before it sleeps */
    char name[ONVM_NAME_MAX];
};

/* The data plane's version and a sentence; the socket closes after it. */
struct onvm_refused {
    struct onvm_message header;
    uint32_t abi;
    char reason[212];
};

/* fd: {"parameters": {…}, "ports": {name: id}, "branches": {service: index},
 *      "service": name} for CONFIGURE; the NF's own form for QUERY */
struct onvm_text {
    struct onvm_message header;
    uint32_t length;
};

/* CONFIGURED and REPLY.  fd: a text, if length > 0.  status 0, or a failure
 * whose reason is the text. */
struct onvm_answer {
    struct onvm_message header;
    uint32_t status;
    uint32_t length;
};

enum onvm_edge_role {
    ONVM_EDGE_IN = 0,   /* fd: the edge */
    ONVM_EDGE_OUT = 1,  /* fds: the edge, the consumer's doorbell */
    ONVM_EDGE_HOME = 2, /* fds: the edge, its worker's doorbell and eventfd; slot: worker */
};

struct onvm_edge_message {
    struct onvm_message header;
    uint32_t role; /* an onvm_edge_role */
    uint32_t slot; /* place in the NF's table of that role, below ONVM_MAX_EDGES, or the worker */
};

#endif

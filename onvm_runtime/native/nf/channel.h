/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NF's end of the session socket: whole messages with their descriptors.
 *
 * Every received descriptor belongs to its envelope until envelope_close, which
 * the receiver calls on every path; what must outlive it is taken out first.
 */
#ifndef ONVM_NF_CHANNEL_H
#define ONVM_NF_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../protocol/session.h"

struct envelope {
    union {
        struct onvm_message header;
        struct onvm_welcome welcome;
        struct onvm_refused refused;
        struct onvm_text text;
        struct onvm_edge_message edge;
    };
    size_t length;
    int fd[ONVM_SESSION_FDS]; /* -1 where there is none */
};

enum channel_event {
    CHANNEL_EMPTY,
    CHANNEL_MESSAGE,
    CHANNEL_CLOSED,
};

/* Connects to a session socket; -1 with errno where nobody listens. */
int channel_connect(const char *path);

/* Receives one message; `flags` as of recvmsg.  A broken one counts as CLOSED. */
enum channel_event channel_receive(int socket, struct envelope *envelope, int flags);

/* Sends one message, with a descriptor unless fd is -1.  Returns whether it went. */
bool channel_send(int socket, const void *message, size_t length, int fd);

/* Takes a descriptor out of the envelope; the caller closes it. */
int envelope_take(struct envelope *envelope, unsigned i);

void envelope_close(struct envelope *envelope);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session with the data plane, as protocol/session.h lays it down: connect,
 * introduce the module, then follow the data plane's messages between bursts.
 */
#ifndef ONVM_NF_SESSION_H
#define ONVM_NF_SESSION_H

#include "attachment.h"
#include "nf.h"

enum session_end {
    SESSION_RUNNING,
    SESSION_LOST,    /* the data plane went away, or broke the protocol: connect again */
    SESSION_REFUSED, /* it will not have this program */
    SESSION_STOPPED, /* it told the NF to end */
};

struct session {
    const struct onvm_module *module;
    void *state; /* the module's */
    bool configured; /* once: the handler may run from then on */
    int socket;      /* -1 outside a session */
    enum session_end end;
    struct attachment attachment;
};

/*
 * Connects to the socket at `path` and attaches.  SESSION_RUNNING: attached;
 * otherwise nothing stays open.
 */
enum session_end session_attach(struct session *session, const char *path);

/* Follows every message that waits; the session's end may change. */
void session_follow(struct session *session);

/* Closes the socket and unmaps everything. */
void session_detach(struct session *session);

#endif

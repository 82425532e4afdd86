/* SPDX-License-Identifier: BSD-3-Clause */
/* The data plane's end of NF sessions; the protocol is in ../protocol/session.h. */
#ifndef ONVM_DATAPLANE_SESSION_H
#define ONVM_DATAPLANE_SESSION_H

#include "link.h"
#include "node.h"

/* Makes the NF's directory and listening socket, owned by the NF's user. */
bool session_listen(struct nf *nf, uid_t uid, gid_t gid, struct failure *failure);

void session_socket_path(const struct nf *nf, char *path, size_t size);

/*
 * Stops listening and removes the socket.  Its directory stays: a container that has
 * it mounted finds the next data plane's socket there.
 */
void session_unlisten(struct nf *nf);

/* Removes the NF's directory, when nobody is to come back to it. */
void session_remove_directory(const struct nf *nf);

void session_open_edge(struct nf *nf, enum onvm_edge_role role, uint16_t slot,
                       const struct link *link);
void session_close_edge(struct nf *nf, enum onvm_edge_role role, uint16_t slot);

/* Sends CONFIGURE with the NF's present parameters. */
void session_configure(struct nf *nf);

/* Sends QUERY; the answer goes to question_answer. */
bool session_query(struct nf *nf, uint32_t request, const char *text);

void session_stop(struct nf *nf);

/* Ends the session, if there is one: the NF's edges are taken from it. */
void session_end(struct nf *nf, const char *reason);

#endif

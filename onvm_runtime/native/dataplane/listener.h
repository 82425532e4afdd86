/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix sockets of type SOCK_SEQPACKET that wait for connections. */
#ifndef ONVM_DATAPLANE_LISTENER_H
#define ONVM_DATAPLANE_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

/* Listens at `path` for this owner alone; takes the place of a dead socket.  -1: failure. */
int listener_open(const char *path, uid_t uid, gid_t gid, struct failure *failure);

/* Whether a process answers at `path`; a file that a dead one left does not count. */
bool listener_answers(const char *path);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Visits to named network namespaces (those of `ip netns`), by the calling thread alone. */
#ifndef ONVM_DATAPLANE_NETNS_H
#define ONVM_DATAPLANE_NETNS_H

#include <stdbool.h>

#include "failure.h"

/* Takes hold of the namespace /run/netns/NAME; -1: it does not exist, failure says so. */
int netns_open(const char *name, struct failure *failure);

/* Enters `netns`.  Returns what netns_leave needs; -1: errno says why not. */
int netns_enter(int netns);

/* Goes back.  A thread that cannot is of no use any more, so this ends the process. */
void netns_leave(int home);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Where new memory of the calling thread is taken from (set_mempolicy(2)). */
#ifndef ONVM_DATAPLANE_PLACEMENT_H
#define ONVM_DATAPLANE_PLACEMENT_H

#include <stdbool.h>

/* Prefers a socket from now on; -1: none.  False with errno: the kernel does not know it. */
bool placement_prefer(int socket);

/* The socket that the page at `address` lies on; -1: not known. */
int placement_of(void *address);

#endif

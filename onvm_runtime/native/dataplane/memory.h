/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of one session: doorbell, routes, counters, home edges. */
#ifndef ONVM_DATAPLANE_MEMORY_H
#define ONVM_DATAPLANE_MEMORY_H

#include "node.h"

/* Makes it, and lets each worker take from its home edge. */
bool memory_open(struct nf *nf, struct failure *failure);

/* Takes what the NF still sent home, then releases all of it. */
void memory_close(struct nf *nf);

#endif

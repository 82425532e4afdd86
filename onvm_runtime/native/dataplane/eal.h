/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK as this daemon needs it: in memory, with its workers, no other process. */
#ifndef ONVM_DATAPLANE_EAL_H
#define ONVM_DATAPLANE_EAL_H

#include "options.h"

/*
 * Decides whether huge pages are used, says so, and initialises the EAL.  The
 * calling thread keeps its CPUs; lcore EAL_WORKER + i is pinned to options->core[i].
 */
bool eal_start(const struct options *options, bool *hugepages, struct failure *failure);

#define EAL_WORKER 1

#endif

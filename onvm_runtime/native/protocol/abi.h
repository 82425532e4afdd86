/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory ABI between the data plane and its NFs.
 *
 * Everything in this folder is the contract of two processes that do not
 * trust each other.  Three rules hold throughout:
 *
 *   1. No pointer crosses a process boundary.  Buffers, edges and ports are
 *      named by index, and whoever reads an index checks it first.
 *   2. A size that a process needs more than once is copied out of shared
 *      memory at the start and never read there again.
 *   3. Every word has one writer.  Where a word has two, its header says so
 *      and says why that is safe.
 *
 * A change to any layout here changes ONVM_ABI_VERSION.  The two ends compare
 * versions before they share memory (session.h), so a mixed lab fails with a
 * sentence and not with garbage.
 */
#ifndef ONVM_PROTOCOL_ABI_H
#define ONVM_PROTOCOL_ABI_H

#include <stdint.h>

#define ONVM_ABI_VERSION 4u

#define ONVM_CACHE_LINE 64
#define ONVM_NAME_MAX 32 /* bytes of a name, its closing NUL included */

#define ONVM_BURST 64 /* descriptors handled together, at the most */
#define ONVM_MAX_SEGMENTS 8 /* buffers of one packet */

#define ONVM_MAX_PORTS 64    /* 6 bits of a descriptor's path */
#define ONVM_MAX_CHAINS 1024 /* 10 bits of it; chain 0 is never used */
#define ONVM_MAX_HOPS 16     /* services in one chain */
#define ONVM_MAX_BRANCHES 8  /* services that one NF may name in a TO verdict */
#define ONVM_MAX_NFS 256     /* running instances on a node */
#define ONVM_MAX_WORKERS 8   /* threads of the data plane that move packets */
#define ONVM_MAX_SERVICES 128
#define ONVM_MAX_EDGES 256   /* input edges of one NF, and output edges of one */
#define ONVM_MAX_LINKS 32    /* to other nodes */
#define ONVM_MAX_LANES 32    /* ways of one chain through the nodes, and as many of its backup */
#define ONVM_BUCKETS 512     /* flow buckets of a service */
#define ONVM_ERAS 16         /* 4 bits of a descriptor's flags */

#define ONVM_ALIGNED __attribute__((aligned(ONVM_CACHE_LINE)))

#endif

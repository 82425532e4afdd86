/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which workers share their CPU with NFs.  Told by where the kernel lets a NF's process run,
 * which whoever placed it may change at any time.
 */
#ifndef ONVM_DATAPLANE_SHARING_H
#define ONVM_DATAPLANE_SHARING_H

struct node;

/* Tells each worker whether there is an NF that must use its CPU. */
void sharing_look(struct node *node);

#endif

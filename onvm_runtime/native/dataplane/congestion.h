/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which edges the worker looks at (pressure.h): those into instances of services that
 * have several.
 */
#ifndef ONVM_DATAPLANE_CONGESTION_H
#define ONVM_DATAPLANE_CONGESTION_H

#include "node.h"

/* Follows a change of links; before any of those that are not usable is released. */
void congestion_watch(struct node *node);

#endif

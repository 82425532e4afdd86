/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations of the control channel, by name. */
#ifndef ONVM_DATAPLANE_OPERATIONS_H
#define ONVM_DATAPLANE_OPERATIONS_H

#include "node.h"

/* Carries out one request; it is answered now or later.  `events`: the connection's wish. */
void operations_serve(struct node *node, json_t *request, struct asker asker, bool *events);

#endif

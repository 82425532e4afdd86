/* SPDX-License-Identifier: BSD-3-Clause */
/* What the data plane says of itself: the answer to "status". */
#ifndef ONVM_DATAPLANE_STATUS_H
#define ONVM_DATAPLANE_STATUS_H

#include "node.h"

json_t *status_describe(struct node *node);

#endif

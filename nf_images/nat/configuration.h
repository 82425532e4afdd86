/* SPDX-License-Identifier: BSD-3-Clause */
/* The NAT's parameters. */
#ifndef ONVM_NAT_CONFIGURATION_H
#define ONVM_NAT_CONFIGURATION_H

#include "nat.h"

/* Takes a configuration into use, with the mappings that fit it; all or nothing. */
bool configuration_apply(struct nat *nat, json_t *configuration, struct onvm_failure *failure);

#endif

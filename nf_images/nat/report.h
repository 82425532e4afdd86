/* SPDX-License-Identifier: BSD-3-Clause */
/* The NAT's answers to queries. */
#ifndef ONVM_NAT_REPORT_H
#define ONVM_NAT_REPORT_H

#include "nat.h"

/* Answers "translations" and "summary"; NULL with a failure for anything else. */
json_t *report_answer(const struct nat *nat, json_t *request, struct onvm_failure *failure);

#endif

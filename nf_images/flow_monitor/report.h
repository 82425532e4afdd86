/* SPDX-License-Identifier: BSD-3-Clause */
/* The monitor's answers: its top talkers as JSON. */
#ifndef ONVM_FLOW_MONITOR_REPORT_H
#define ONVM_FLOW_MONITOR_REPORT_H

#include <jansson.h>

#include "flow_table.h"

#define TOP_MAX 1000u

enum report_order {
    REPORT_BY_BYTES,
    REPORT_BY_PACKETS,
};

/* The `top` busiest flows (TOP_MAX at the most), busiest first; NULL: no memory. */
json_t *report_flows(const struct flow_table *flows, uint32_t top, enum report_order order,
                     uint64_t now);

#endif

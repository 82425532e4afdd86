/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_kinds.h"
bool
port_packet_open(struct port *port, json_t *request, struct failure *failure)
{
    (void)port; (void)request;
    return fail(failure, "kind: af_packet is under construction");
}

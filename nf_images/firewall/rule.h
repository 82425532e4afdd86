/* SPDX-License-Identifier: BSD-3-Clause */
/* One firewall rule: what it matches, and its verdict. */
#ifndef ONVM_FIREWALL_RULE_H
#define ONVM_FIREWALL_RULE_H

#include "nf/nf.h"
#include "nf/prefix.h"

#define ANY_PROTOCOL 256

struct port_range {
    uint16_t low, high;
    bool any; /* every packet matches, with ports or without */
};

struct rule {
    struct onvm_prefix source, destination; /* version 0: any address */
    uint16_t protocol;
    struct port_range source_ports, destination_ports;
    uint8_t verdict; /* an onvm_verdict and its argument */
    uint8_t argument;
};

/* Reads rule number `index` of the list. */
bool rule_read(json_t *configuration, json_t *value, size_t index, struct rule *rule,
               struct onvm_failure *failure);

/* Reads "accept" or "drop"; `key` names the parameter in sentences. */
bool verdict_read(const char *text, const char *key, uint8_t *verdict, uint8_t *argument,
                  struct onvm_failure *failure);

#endif

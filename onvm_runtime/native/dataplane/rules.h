/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Masked rules in order of priority: which chain a flow takes that the flow
 * table does not know.
 *
 * A rule is a mask and a value over all fields of a frame, compared as words,
 * and two ranges of ports.  The rules lie in one array, the highest priority
 * first and of equal ones the one that came first; the first that matches wins.
 * No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_RULES_H
#define ONVM_DATAPLANE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "parse.h"

#define RULE_WORDS (sizeof(struct frame_fields) / sizeof(uint64_t))

struct port_range {
    uint16_t low, high; /* both belong to it */
};

struct rule {
    uint64_t mask[RULE_WORDS];
    uint64_t value[RULE_WORDS]; /* zero where the mask is */
    struct port_range source_ports, destination_ports;
    int32_t priority;
    uint32_t order; /* among rules of one priority */
    uint16_t chain;
};

struct ruleset {
    struct rule *rule;
    uint32_t count;
    uint16_t default_chain;             /* 0: none */
    uint16_t chain_of[ONVM_MAX_CHAINS]; /* by lineage; 0: it has none now */
};

/* A rule that matches everything. */
struct rule rule_any(uint16_t chain, int32_t priority, uint32_t order);

/*
 * Makes the rule ask for `size` bytes at `offset` of struct frame_fields, under
 * `mask`.  False: it already asks for something else there, so nothing could match.
 */
bool rule_require(struct rule *rule, size_t offset, const void *value, const void *mask,
                  size_t size);

/* Puts the rules in their order; before the first look-up. */
void rules_sort(struct ruleset *ruleset);

/* The chain of the first rule that matches, else the default chain; 0: neither. */
uint16_t rules_lookup(const struct ruleset *ruleset, const struct frame_fields *fields);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Masked rules in order of priority: which chain a flow takes that the flow
 * table does not know.
 *
 * A rule is a mask and a value over all fields of a frame, compared as words,
 * and two ranges of ports.  The rules lie in one array, the highest priority
 * first and of equal ones the one that came first; the first that matches wins.
 *
 * They are found by tuple space search (Srinivasan, Suri, Varghese: "Packet
 * Classification using Tuple Space Search", SIGCOMM 1999): rules of one mask make a
 * group, which is a hash table over the fields under that mask.  A look-up asks the
 * groups in the order of their best rules and ends where no group can have a better
 * one than it found.  So it costs by the number of different masks and not of rules;
 * rules that differ only in ranges of ports are tried one after the other.
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
#define RULES_UNDECIDED 0xffffu /* not a chain: it depends on the frame */
#define RULE_NONE UINT32_MAX

struct port_range {
    uint16_t low, high; /* both belong to it */
};

struct rule {
    uint64_t mask[RULE_WORDS];
    uint64_t value[RULE_WORDS]; /* zero where the mask is */
    struct port_range source_ports, destination_ports;
    int32_t priority;
    uint32_t order; /* among rules of one priority */
    uint32_t next;  /* rule in the same slot of its group, or RULE_NONE */
    uint16_t chain;
};

/* Rules of one mask. */
struct rule_group {
    uint64_t mask[RULE_WORDS];
    uint32_t best;  /* the first of its rules */
    uint32_t slots; /* a power of two */
    uint32_t *slot; /* the first rule of each, or RULE_NONE */
    uint8_t words;  /* of the mask that are not zero; their numbers: */
    uint8_t word[RULE_WORDS];
};

struct ruleset {
    struct rule *rule;
    uint32_t count;
    struct rule_group *group; /* in the order of their best rules */
    uint32_t groups;
    uint32_t *slots;                    /* of all groups */
    uint16_t default_chain;             /* 0: none */
    uint16_t decided[ONVM_MAX_PORTS];   /* the chain of all frames of a port, 0: none */
    bool by_macs;                       /* some rule asks for MAC addresses */
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

/*
 * Puts the rules in their order and groups them; once, when all are there and
 * default_chain is set.  False: no memory.
 */
bool rules_index(struct ruleset *ruleset);

/* Frees what rules_index made. */
void rules_release(struct ruleset *ruleset);

/* The chain of the first rule that matches, else the default chain; 0: neither. */
uint16_t rules_lookup(const struct ruleset *ruleset, const struct frame_fields *fields);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rule set compiled for matching by aggregated bit vectors (Baboescu and
 * Varghese, "Scalable packet classification", 2001).
 *
 * Each field of a packet has a class: addresses by the longest prefix that the
 * rules name, ports and protocol by table.  A class has one bit for every rule
 * that its field allows, and a summary with one bit for every non-empty word.
 * The first rule that matches is the first bit common to all five fields.
 */
#ifndef ONVM_FIREWALL_RULE_SET_H
#define ONVM_FIREWALL_RULE_SET_H

#include "nf/packet.h"
#include "prefix_trie.h"
#include "rule.h"

#define RULES_MAX 4096u /* one summary word of 64 bits, 64 rules for each of its bits */
#define NO_RULE UINT32_MAX

/* The bit vectors of one field's classes, one after the other. */
struct vectors {
    uint64_t *words;
    uint32_t stride; /* words of a vector: its summary, then its rules */
    uint32_t count, room;
};

struct address_field {
    struct prefix_trie trie;
    struct vectors vectors;
};

struct port_field {
    uint16_t class[65536];
    uint16_t without_ports; /* the class of packets that have none */
    struct vectors vectors;
};

struct protocol_field {
    uint16_t class[256];
    struct vectors vectors;
};

struct rule_set {
    struct address_field source4, destination4, source6, destination6;
    struct port_field source_ports, destination_ports;
    struct protocol_field protocol;
};

/* Compiles up to RULES_MAX rules; NULL: no memory. */
struct rule_set *rule_set_new(const struct rule *rules, uint32_t count);

void rule_set_free(struct rule_set *set);

/* The number of the first rule that matches an IP packet, or NO_RULE. */
uint32_t rule_set_match(const struct rule_set *set, const uint8_t *frame,
                        const struct onvm_headers *headers);

#endif

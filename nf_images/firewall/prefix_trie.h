/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Longest-prefix match: from an address to the class of the longest prefix that
 * holds it.  The first 16 bits index a table; every four bits after them one node
 * of a cache line.  A look-up costs as many steps as the longest prefix around
 * the address has, however many prefixes there are.
 */
#ifndef ONVM_FIREWALL_PREFIX_TRIE_H
#define ONVM_FIREWALL_PREFIX_TRIE_H

#include <stdbool.h>
#include <stdint.h>

#include "nf/prefix.h"

#define TRIE_ROOT (1u << 16)
#define TRIE_FANOUT 16u
#define TRIE_NODE 0x80000000u /* the entry names a node, not a class */

struct trie_node {
    uint32_t entry[TRIE_FANOUT];
};

struct prefix_trie {
    uint32_t *root;
    struct trie_node *nodes;
    uint32_t count, room;
};

/* An empty trie: every address has class 0.  False: no memory. */
bool prefix_trie_open(struct prefix_trie *trie);

void prefix_trie_close(struct prefix_trie *trie);

/* Prefixes must come in order of their length, shortest first.  False: no memory. */
bool prefix_trie_insert(struct prefix_trie *trie, const struct onvm_prefix *prefix,
                        uint32_t class);

/* `address`: 4 or 16 bytes in network order, as long as the prefixes' addresses. */
static inline uint32_t
prefix_trie_find(const struct prefix_trie *trie, const uint8_t *address)
{
    uint32_t entry = trie->root[address[0] << 8 | address[1]];

    for (unsigned nibble = 4; entry & TRIE_NODE; nibble++) {
        unsigned digit = nibble % 2 ? address[nibble / 2] & 0xf : address[nibble / 2] >> 4;

        entry = trie->nodes[entry & ~TRIE_NODE].entry[digit];
    }
    return entry;
}

#endif

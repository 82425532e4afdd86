/* SPDX-License-Identifier: BSD-3-Clause */
#include "prefix_trie.h"

#include <stdlib.h>
#include <string.h>

bool
prefix_trie_open(struct prefix_trie *trie)
{
    memset(trie, 0, sizeof(*trie));
    trie->root = calloc(TRIE_ROOT, sizeof(*trie->root));
    return trie->root != NULL;
}

void
prefix_trie_close(struct prefix_trie *trie)
{
    free(trie->root);
    free(trie->nodes);
}

static bool
grow(struct prefix_trie *trie)
{
    uint32_t room = trie->room ? 2 * trie->room : 64;
    struct trie_node *nodes = aligned_alloc(sizeof(*nodes), room * sizeof(*nodes));

    if (!nodes)
        return false;
    if (trie->count > 0)
        memcpy(nodes, trie->nodes, trie->count * sizeof(*nodes));
    free(trie->nodes);
    trie->nodes = nodes;
    trie->room = room;
    return true;
}

/* Turns a class into a node whose entries all have that class; 0: no memory. */
static uint32_t
split(struct prefix_trie *trie, uint32_t class)
{
    struct trie_node *node;

    if (trie->count == trie->room && !grow(trie))
        return 0;
    node = &trie->nodes[trie->count];
    for (unsigned digit = 0; digit < TRIE_FANOUT; digit++)
        node->entry[digit] = class;
    return TRIE_NODE | trie->count++;
}

static void
fill(uint32_t *entries, uint32_t first, unsigned free_bits, uint32_t class)
{
    for (uint32_t i = 0; i < 1u << free_bits; i++)
        entries[first + i] = class;
}

/* `bits` of the address from bit `from` on. */
static uint32_t
digit_of(const uint8_t *address, unsigned from, unsigned bits)
{
    uint32_t digit = 0;

    for (unsigned bit = from; bit < from + bits; bit++)
        digit = digit << 1 | (address[bit / 8] >> (7 - bit % 8) & 1);
    return digit;
}

static uint32_t *
entries_of(const struct prefix_trie *trie, uint32_t node)
{
    return node & TRIE_NODE ? trie->nodes[node & ~TRIE_NODE].entry : trie->root;
}

/* Goes down to the entry behind `digit` of the node that `parent` names, or splits it. */
static bool
descend(struct prefix_trie *trie, uint32_t *node, uint32_t digit)
{
    uint32_t entry = entries_of(trie, *node)[digit];

    if (!(entry & TRIE_NODE)) {
        entry = split(trie, entry);
        if (entry == 0)
            return false;
        entries_of(trie, *node)[digit] = entry;
    }
    *node = entry;
    return true;
}

bool
prefix_trie_insert(struct prefix_trie *trie, const struct onvm_prefix *prefix, uint32_t class)
{
    unsigned depth = 0, width = 16;
    uint32_t node = 0; /* the root */

    while (prefix->length > depth + width) {
        if (!descend(trie, &node, digit_of(prefix->address, depth, width)))
            return false;
        depth += width;
        width = 4;
    }
    fill(entries_of(trie, node), digit_of(prefix->address, depth, width),
         depth + width - prefix->length, class);
    return true;
}

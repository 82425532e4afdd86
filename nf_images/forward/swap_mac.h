/* SPDX-License-Identifier: BSD-3-Clause */
/* The work of a MAC-swapping NF; benchmarks have the chain that they compare with do the same. */
#ifndef NF_IMAGES_FORWARD_SWAP_MAC_H
#define NF_IMAGES_FORWARD_SWAP_MAC_H

#include <stdint.h>
#include <string.h>

/* As two words (little-endian) and not as two addresses: half the loads and stores. */
static inline void
swap_mac(uint8_t *frame)
{
    uint64_t head, swapped; /* the destination, and two bytes of the source */
    uint32_t rest;          /* of the source */

    memcpy(&head, frame, sizeof(head));
    memcpy(&rest, frame + sizeof(head), sizeof(rest));
    swapped = head >> 48 | (uint64_t)rest << 16 | head << 48;
    rest = (uint32_t)(head >> 16);
    memcpy(frame, &swapped, sizeof(swapped));
    memcpy(frame + sizeof(head), &rest, sizeof(rest));
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Internet checksums: whole (RFC 1071) and by difference (RFC 1624, equation 3).
 * Checksums and the words they cover are as they stand in the packet.
 */
#ifndef ONVM_NF_CHECKSUM_H
#define ONVM_NF_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
onvm_checksum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Adds bytes to a running sum; an odd last byte counts as if a zero followed. */
static inline uint64_t
onvm_checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
    uint16_t word;

    for (; length >= 2; bytes += 2, length -= 2) {
        memcpy(&word, bytes, 2);
        sum += word;
    }
    if (length == 1) {
        word = 0;
        memcpy(&word, bytes, 1);
        sum += word;
    }
    return sum;
}

/* The checksum of a header whose own checksum field is zero. */
static inline uint16_t
onvm_checksum(const uint8_t *bytes, size_t length)
{
    return (uint16_t)~onvm_checksum_fold(onvm_checksum_add(0, bytes, length));
}

/* The checksum after a 16-bit word that it covers changed. */
static inline uint16_t
onvm_checksum_update16(uint16_t checksum, uint16_t before, uint16_t after)
{
    return (uint16_t)~onvm_checksum_fold((uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

static inline uint16_t
onvm_checksum_update32(uint16_t checksum, uint32_t before, uint32_t after)
{
    checksum = onvm_checksum_update16(checksum, (uint16_t)before, (uint16_t)after);
    return onvm_checksum_update16(checksum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
}

#endif

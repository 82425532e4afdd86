/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums the slow and obvious way (RFC 1071), to compare with. */
#ifndef TESTS_NATIVE_REFERENCE_H
#define TESTS_NATIVE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/parse.h"

static inline uint16_t
reference_sum(const uint8_t *data, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static inline uint16_t
reference_pseudo(const uint8_t *frame, const struct frame_layout *layout)
{
    const uint8_t *ip = frame + layout->l3;
    uint32_t sum = layout->end - layout->l4 + layout->protocol;

    sum = (sum & 0xffff) + (sum >> 16);
    return layout->family == FLOW_IPV4 ? reference_sum(ip + 12, 8, sum)
                                       : reference_sum(ip + 8, 32, sum);
}

/* Whether the L4 checksum, and an IPv4 header's, are those that a receiver wants. */
static inline bool
reference_correct(const uint8_t *frame, uint32_t length)
{
    struct frame_layout layout;
    const uint8_t *ip;

    if (!frame_locate(frame, length, length, &layout))
        return false;
    ip = frame + layout.l3;
    if (layout.family == FLOW_IPV4 && reference_sum(ip, (ip[0] & 15) * 4u, 0) != 0xffff)
        return false;
    return reference_sum(frame + layout.l4, layout.end - layout.l4,
                         reference_pseudo(frame, &layout)) == 0xffff;
}

#endif

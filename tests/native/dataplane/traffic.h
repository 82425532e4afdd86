/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and UDP frames of any size, as a kernel hands them to a virtual device. */
#ifndef TESTS_NATIVE_TRAFFIC_H
#define TESTS_NATIVE_TRAFFIC_H

#include <netinet/in.h>

#include "frames.h"
#include "reference.h"

#define TRAFFIC_ROOM (1u << 17)

struct traffic {
    const char *l2;   /* hexadecimal, with the ethertype's tags before it */
    uint8_t family;   /* a flow_family */
    uint8_t protocol; /* TCP with 12 bytes of options, or UDP */
    uint8_t flags;    /* of TCP */
    uint32_t payload; /* bytes */
};

static inline void
put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline uint32_t
append_hex(uint8_t *frame, uint32_t at, const char *hex)
{
    uint32_t length;
    uint8_t *bytes = frame_read(hex, &length);

    memcpy(frame + at, bytes, length);
    free(bytes);
    return at + length;
}

/* The header's own fields that depend on the payload; l3 and l4 are offsets. */
static inline void
traffic_set_lengths(uint8_t *frame, const struct traffic *traffic, uint32_t l3, uint32_t l4,
                    uint32_t end)
{
    if (traffic->family == FLOW_IPV4) {
        put16(frame + l3 + 2, end - l3);
        put16(frame + l3 + 10, (uint16_t)~reference_sum(frame + l3, 20, 0));
    } else {
        put16(frame + l3 + 4, end - l3 - 40);
    }
    if (traffic->protocol == IPPROTO_UDP)
        put16(frame + l4 + 4, end - l4);
    else
        frame[l4 + 13] = traffic->flags;
}

/* Writes a frame with a partial checksum; returns its length.  `l4`: of its transport header. */
static inline uint32_t
traffic_write(uint8_t *frame, const struct traffic *traffic, uint32_t *l4)
{
    bool tcp = traffic->protocol == IPPROTO_TCP;
    struct frame_layout layout;
    bool four = traffic->family == FLOW_IPV4;
    uint32_t l3 = append_hex(frame, 0, traffic->l2), end;

    l3 += 2; /* the ethertype is part of the texts below */
    *l4 = append_hex(frame, l3 - 2, four ? IPV4("0000", "4000", "06") : IPV6("0000", "06"));
    frame[l3 + (four ? 9 : 6)] = traffic->protocol;
    end = append_hex(frame, *l4,
                     tcp ? PORTS "fffffff0 00000007 8010 ffff 0000 0000"
                           "0101080a 00000001 00000002"
                         : UDP("0000"));
    for (uint32_t i = 0; i < traffic->payload; i++)
        frame[end++] = (uint8_t)(i * 7 + (i >> 8));
    traffic_set_lengths(frame, traffic, l3, *l4, end);
    REQUIRE(frame_locate(frame, end, end, &layout), "the frame to test with is malformed");
    put16(frame + *l4 + (tcp ? 16 : 6), reference_pseudo(frame, &layout));
    return end;
}

#endif

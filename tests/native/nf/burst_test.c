/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving the ends of a frame: within its buffer, and not below an Ethernet header. */
#include "../check.h"
#include "nf/nf.h"

#define STRIDE 256

typedef bool (*move)(struct onvm_burst *burst, uint32_t i, uint16_t bytes);

static const struct {
    const char *sentence;
    move move;
    uint16_t bytes;
    bool done;
    uint16_t offset, length; /* afterwards; 100 and 60 before */
} cases[] = {
    {"a tunnel header fits into the headroom", onvm_packet_prepend, 50, true, 50, 110},
    {"all of the headroom may be used", onvm_packet_prepend, 84, true, 16, 144},
    {"but not the time stamps before it", onvm_packet_prepend, 85, false, 100, 60},
    {"a VLAN tag's bytes are cut off the start", onvm_packet_strip, 4, true, 104, 56},
    {"an Ethernet header may be all that is left", onvm_packet_strip, 46, true, 146, 14},
    {"less than that may not", onvm_packet_strip, 47, false, 100, 60},
    {"more than the frame may not be cut off", onvm_packet_strip, 65535, false, 100, 60},
    {"padding is cut off the end", onvm_packet_trim, 50, true, 100, 50},
    {"a frame may grow to the end of its buffer", onvm_packet_trim, 156, true, 100, 156},
    {"and not beyond it", onvm_packet_trim, 157, false, 100, 60},
    {"a frame keeps its Ethernet header", onvm_packet_trim, 13, false, 100, 60},
};

int
main(void)
{
    static uint8_t buffer[STRIDE];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onvm_burst burst = {
            .count = 1,
            .stride = STRIDE,
            .data = {buffer + 100},
            .descriptor = {{.offset = 100, .length = 60}},
        };
        const struct onvm_descriptor *after = &burst.descriptor[0];

        CHECK(cases[i].move(&burst, 0, cases[i].bytes) == cases[i].done, "%s", cases[i].sentence);
        CHECK(after->offset == cases[i].offset && after->length == cases[i].length &&
                  burst.data[0] == buffer + after->offset,
              "%s: offset %u, length %u", cases[i].sentence, after->offset, after->length);
    }
    return check_result();
}

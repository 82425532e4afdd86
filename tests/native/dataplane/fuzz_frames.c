/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever reads frames, on any bytes: a libFuzzer target.
 *
 * The input is a virtio-net header and a frame.  Beside reading out of bounds,
 * which the sanitizers see, it is a fault if the parts of a frame lie outside it
 * or if the frames that a large segment is cut into do not add up to it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/checksum.h"
#include "dataplane/flow_key.h"
#include "dataplane/parse.h"
#include "dataplane/segmentation.h"

#define MTU 1500
#define MAX_SEGMENTS 64 /* enough to reach the last one of most inputs */

#define MUST(condition)     \
    do {                    \
        if (!(condition))   \
            abort();        \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_parsing(const uint8_t *frame, uint32_t length)
{
    struct frame_layout layout;
    struct frame_fields fields;
    bool located = frame_locate(frame, length, length, &layout);

    MUST(located == frame_parse(frame, length, length, 0, &fields));
    if (!located)
        return;
    MUST(layout.l3 >= FRAME_HEADER && layout.l3 <= layout.l4);
    MUST(layout.l4 <= layout.end && layout.end <= length);
    MUST(layout.family != FLOW_L2 || fields.flow.has_ports == 0);
    MUST(!layout.fragment || fields.flow.source_port == 0);
}

/* The fast way must say what the slow way says, or nothing. */
static void
try_compact_parsing(const uint8_t *frame, uint32_t length)
{
    struct compact_key fast, slow;
    struct frame_fields fields;
    struct flow_key back;

    if (!compact_parse(frame, length, 5, &fast))
        return;
    MUST(frame_parse(frame, length, length, 5, &fields) && flow_is_compact(&fields.flow));
    slow = flow_compact(&fields.flow);
    MUST(memcmp(&fast, &slow, sizeof(fast)) == 0);
    back = flow_key_reverse(&fields.flow);
    slow = flow_compact(&back);
    fast = compact_reverse(&fast);
    MUST(memcmp(&fast, &slow, sizeof(fast)) == 0);
}

static void
try_checksums(const uint8_t *frame, uint32_t length, const struct virtio_net_hdr *header)
{
    uint8_t *copy = malloc(length + 1);

    memcpy(copy, frame, length);
    checksum_finish_partial(copy, length);
    checksum_finish(copy, length, header->csum_start, header->csum_offset);
    checksum_finish_sctp(copy, length, header->csum_start);
    free(copy);
}

static void
try_cutting(const uint8_t *frame, uint32_t length, const struct virtio_net_hdr *header)
{
    struct segmentation cut;
    uint32_t payload = 0;

    if (!segmentation_begin(&cut, frame, length, header, MTU))
        return;
    for (unsigned i = 0; i < MAX_SEGMENTS && segmentation_pending(&cut); i++) {
        uint32_t size = segmentation_size(&cut);
        uint8_t *segment = malloc(size);

        MUST(size <= MTU + FRAME_HEADER + VLAN_TAG);
        segmentation_next(&cut, segment);
        payload += size - cut.header;
        free(segment);
    }
    MUST(segmentation_pending(&cut) || payload == cut.layout.end - cut.header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct virtio_net_hdr header;
    uint8_t *frame;
    uint32_t length;

    if (size < sizeof(header))
        return 0;
    memcpy(&header, data, sizeof(header));
    length = (uint32_t)(size - sizeof(header));
    frame = malloc(length + 1); /* one byte in front: no alignment to rely on */
    memcpy(frame + 1, data + sizeof(header), length);
    try_parsing(frame + 1, length);
    try_compact_parsing(frame + 1, length);
    try_checksums(frame + 1, length, &header);
    try_cutting(frame + 1, length, &header);
    free(frame);
    return 0;
}

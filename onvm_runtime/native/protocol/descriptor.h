/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor: what travels through edges in place of a packet.
 *
 * Sixteen bytes, copied by value.  It names a buffer of the packet region by
 * index and generation, says where in that buffer the frame lies, and carries
 * what every hop needs so that no hop has to look at the packet for it.
 *
 *   buffer   bits 0-23 index, bits 24-31 generation
 *   offset   first byte of the frame, from the start of the buffer, which begins with
 *            its time stamps (histogram.h)
 *   length   bytes of the frame
 *   flow     the flow's hash, the same in both directions of a flow
 *   path     bits 0-9 chain, bits 10-15 the port it came in by
 *   hop      place in the chain of the NF that is to handle it, from 0;
 *            on a home edge: the port of OUT or the reason of DROP
 *   flags    below
 *
 * The generation is the buffer's life number.  The data plane raises it when
 * it hands a buffer out, and takes a descriptor back only while both agree, so
 * a stale or invented descriptor can free nothing.
 *
 * A packet that does not fit one buffer is a run: up to ONVM_MAX_SEGMENTS
 * descriptors in a row, one for each of its segments in order, all with
 * ONVM_FLAG_SEGMENT but the last.  What is said of the packet, it says in its
 * first descriptor; the others repeat flow, path and hop.  The first segment
 * holds all headers and at least an Ethernet header; a later one may be empty.
 *
 * Prohibited, and why
 *   a run that is longer, that does not end, or whose descriptors disagree:
 *            nobody could say what the packet is, or where the next one begins
 *   65,536 bytes or more in all: lengths are 16 bits everywhere
 *   one buffer twice in a run: it would be freed twice
 */
#ifndef ONVM_PROTOCOL_DESCRIPTOR_H
#define ONVM_PROTOCOL_DESCRIPTOR_H

#include <stdbool.h>

#include "abi.h"

struct __attribute__((aligned(8))) onvm_descriptor {
    uint32_t buffer;
    uint16_t offset;
    uint16_t length;
    uint32_t flow;
    uint16_t path;
    uint8_t hop;
    uint8_t flags;
};

_Static_assert(sizeof(struct onvm_descriptor) == 16, "descriptors are copied as 16 bytes");

/* What an NF decided.  Zero is DROP, so that a handler which fails half-way
 * forwards nothing by accident. */
enum onvm_verdict {
    ONVM_VERDICT_DROP = 0, /* argument: an onvm_drop_reason */
    ONVM_VERDICT_NEXT = 1, /* the chain's next hop, or its egress after the last */
    ONVM_VERDICT_TO = 2,   /* argument: index of a branch of this NF's service */
    ONVM_VERDICT_OUT = 3,  /* argument: a port */
};

enum onvm_descriptor_flags {
    ONVM_FLAG_VERDICT = 0x03,  /* on a home edge: DROP, NEXT or OUT */
    ONVM_FLAG_SEGMENT = 0x04,  /* more segments of this packet follow */
    ONVM_FLAG_SAMPLED = 0x08,  /* its buffer's time stamps count (histogram.h) */
    ONVM_FLAG_ERA = 0xf0,      /* the assignment under which the flow began: routes.h */
};

/*
 * A descriptor as two words, for loops that look at every one.
 *
 *   place   bits 0-31 buffer, 32-47 offset, 48-63 length
 *   way     bits 0-31 flow, 32-47 path, 48-55 hop, 56-63 flags
 */
struct onvm_words {
    uint64_t place;
    uint64_t way;
};

#define ONVM_WAY_CHAIN_AND_HOP UINT64_C(0xff03ff) /* of way >> 32 */
#define ONVM_WAY_HOP UINT64_C(0x00ff000000000000)
#define ONVM_WAY_VERDICT UINT64_C(0x0300000000000000)
#define ONVM_WAY_ONE_HOP UINT64_C(0x0001000000000000)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the words above");

typedef uint64_t __attribute__((may_alias)) onvm_word;

/*
 * Reads a descriptor once: what is checked afterwards is what was read, also in shared
 * memory.  By volatile reads, over which a compiler may still keep other values in registers,
 * as it does not over atomic ones.
 */
static inline struct onvm_words
onvm_descriptor_read(const struct onvm_descriptor *descriptor)
{
    const volatile onvm_word *word = (const volatile onvm_word *)descriptor;

    return (struct onvm_words){.place = word[0], .way = word[1]};
}

/* The words of a descriptor in private memory, which a compiler may read as it likes. */
static inline struct onvm_words
onvm_descriptor_words(const struct onvm_descriptor *descriptor)
{
    const onvm_word *word = (const onvm_word *)descriptor;

    return (struct onvm_words){.place = word[0], .way = word[1]};
}

static inline void
onvm_descriptor_write(struct onvm_descriptor *descriptor, struct onvm_words words)
{
    onvm_word *word = (onvm_word *)descriptor;

    word[0] = words.place;
    word[1] = words.way;
}

/* Whether a later segment lies in its buffer: in all of it, for such a buffer has no stamps. */
static inline bool
onvm_segment_within(const struct onvm_descriptor *descriptor, uint32_t stride)
{
    return (uint32_t)descriptor->offset + descriptor->length <= stride;
}

/* Whether the descriptors of a run, `count` >= 1, tell of one packet. */
static inline bool
onvm_run_agrees(const struct onvm_descriptor *run, uint32_t count)
{
    uint32_t length = run[0].length, differs = 0;

    for (uint32_t i = 1; i < count; i++) {
        length += run[i].length;
        differs |= (run[i].flow ^ run[0].flow) | (uint32_t)(run[i].path ^ run[0].path) |
                   (uint32_t)(run[i].hop ^ run[0].hop);
    }
    return differs == 0 && length <= UINT16_MAX;
}

static inline uint32_t
onvm_buffer(uint32_t index, uint8_t generation)
{
    return (index & 0xffffffu) | (uint32_t)generation << 24;
}

static inline uint32_t
onvm_buffer_index(uint32_t buffer)
{
    return buffer & 0xffffffu;
}

static inline uint8_t
onvm_buffer_generation(uint32_t buffer)
{
    return (uint8_t)(buffer >> 24);
}

static inline unsigned
onvm_era(uint8_t flags)
{
    return flags >> 4;
}

static inline uint8_t
onvm_era_flags(unsigned era)
{
    return (uint8_t)(era << 4);
}

static inline uint16_t
onvm_path(unsigned chain, unsigned port)
{
    return (uint16_t)((chain & 0x3ffu) | port << 10);
}

static inline unsigned
onvm_path_chain(uint16_t path)
{
    return path & 0x3ffu;
}

static inline unsigned
onvm_path_port(uint16_t path)
{
    return path >> 10;
}

#endif

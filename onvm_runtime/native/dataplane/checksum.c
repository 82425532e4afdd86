/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums are of words as they lie in memory, so their bytes come out in network order. */
#include "checksum.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>

uint64_t
checksum_add(const uint8_t *data, size_t length, uint64_t sum)
{
    uint16_t rest[2] = {0, 0};

    for (; length >= sizeof(uint32_t); data += sizeof(uint32_t), length -= sizeof(uint32_t)) {
        uint32_t word;

        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    memcpy(rest, data, length);
    return sum + rest[0] + rest[1];
}

uint16_t
checksum_fold(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

uint64_t
checksum_pseudo(const uint8_t *frame, const struct frame_layout *layout, uint32_t length)
{
    const uint8_t *ip = frame + layout->l3;
    uint64_t sum = (uint64_t)htonl(length) + htons(layout->protocol);

    if (layout->family == FLOW_IPV4)
        return checksum_add(ip + 12, 8, sum);
    return checksum_add(ip + 8, 32, sum);
}

uint32_t
checksum_offset(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 0;
}

bool
checksum_finish(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset)
{
    uint16_t checksum;

    if (start > length || length - start < sizeof(checksum) ||
        offset > length - start - sizeof(checksum))
        return false;
    checksum = (uint16_t)~checksum_fold(checksum_add(frame + start, length - start, 0));
    if (checksum == 0) /* means "none" in UDP; the other zero is as good in all protocols */
        checksum = 0xffff;
    memcpy(frame + start + offset, &checksum, sizeof(checksum));
    return true;
}

/* CRC32c, reflected, of a nibble at a time: SCTP is too rare here for a larger table. */
static uint32_t
crc32c(const uint8_t *data, size_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = ~0u;

    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool
checksum_finish_sctp(uint8_t *frame, uint32_t length, uint32_t start)
{
    uint32_t checksum = 0;

    if (start > length || length - start < CHECKSUM_SCTP + sizeof(checksum))
        return false;
    memcpy(frame + start + CHECKSUM_SCTP, &checksum, sizeof(checksum));
    checksum = htole32(crc32c(frame + start, length - start));
    memcpy(frame + start + CHECKSUM_SCTP, &checksum, sizeof(checksum));
    return true;
}

bool
checksum_finish_partial(uint8_t *frame, uint32_t length)
{
    struct frame_layout layout;
    uint32_t offset;
    uint16_t field;

    if (!frame_locate(frame, length, length, &layout) || layout.family == FLOW_L2 || layout.fragment)
        return false;
    offset = checksum_offset(layout.protocol);
    if (offset == 0)
        return false;
    memcpy(&field, frame + layout.l4 + offset, sizeof(field));
    if (field != checksum_fold(checksum_pseudo(frame, &layout, layout.end - layout.l4)))
        return false;
    return checksum_finish(frame, layout.end, layout.l4, offset);
}

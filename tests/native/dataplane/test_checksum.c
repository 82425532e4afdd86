/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/checksum.h"

#include "traffic.h"

static const struct traffic unfinished[] = {
    {MACS, FLOW_IPV4, IPPROTO_TCP, 0x10, 0},
    {MACS, FLOW_IPV4, IPPROTO_TCP, 0x10, 1},
    {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 0},
    {MACS, FLOW_IPV4, IPPROTO_UDP, 0, 1471},
    {MACS, FLOW_IPV6, IPPROTO_TCP, 0x18, 1401},
    {MACS, FLOW_IPV6, IPPROTO_UDP, 0, 3},
    {MACS VLAN5, FLOW_IPV4, IPPROTO_TCP, 0x10, 100},
    {MACS SERVICE_VLAN9 VLAN5, FLOW_IPV6, IPPROTO_UDP, 0, 100},
};

static void
check_sums(void)
{
    uint8_t data[64];

    for (uint32_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(0xff - i * 13);
    for (uint32_t length = 0; length <= sizeof(data); length++) {
        uint16_t sum = checksum_fold(checksum_add(data, length, 0));

        CHECK(ntohs(sum) == reference_sum(data, length, 0), "over %u bytes", length);
    }
}

static void
check_unfinished(const struct traffic *traffic)
{
    static uint8_t frame[TRAFFIC_ROOM], padded[TRAFFIC_ROOM];
    uint32_t l4, length = traffic_write(frame, traffic, &l4);
    uint32_t offset = checksum_offset(traffic->protocol);

    memcpy(padded, frame, length);
    memset(padded + length, 0xab, 5);
    CHECK(!reference_correct(frame, length), "it would prove nothing");
    CHECK(checksum_finish_partial(padded, length + 5), "it is partial");
    CHECK(reference_correct(padded, length), "guessed, with padding");
    CHECK(!checksum_finish_partial(padded, length + 5), "it is finished now");
    CHECK(checksum_finish(frame, length, l4, offset), "the field lies in the frame");
    CHECK(reference_correct(frame, length), "as described");
    CHECK(memcmp(frame, padded, length) == 0, "both ways say the same");
}

/* Frames that are to be left as they are. */
static void
check_left_alone(const char *what, const char *hex)
{
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length), *copy = frame_read(hex, &length);

    CHECK(!checksum_finish_partial(frame, length), "%s", what);
    CHECK(memcmp(frame, copy, length) == 0, "%s: and it was changed", what);
    free(frame);
    free(copy);
}

static void
check_bounds(void)
{
    uint8_t frame[20] = {0};

    CHECK(checksum_finish(frame, 20, 0, 18), "the last two bytes");
    CHECK(!checksum_finish(frame, 20, 0, 19), "half a field");
    CHECK(!checksum_finish(frame, 20, 19, 0), "a start in the last byte");
    CHECK(!checksum_finish(frame, 20, 65535, 65535), "far outside");
    CHECK(checksum_finish_sctp(frame, 20, 8), "an SCTP header is 12 bytes");
    CHECK(!checksum_finish_sctp(frame, 20, 9), "11 are none");
}

/* A sum of all ones is sent as that, for 0 would mean that there is none (RFC 768). */
static void
check_zero(void)
{
    uint8_t data[4] = {0xff, 0xff, 0, 0};

    CHECK(checksum_finish(data, 4, 0, 2), "it lies in the frame");
    CHECK(data[2] == 0xff && data[3] == 0xff, "not 0");
}

/* A bare header; its CRC32c was computed bit by bit, elsewhere. */
static void
check_sctp(void)
{
    uint8_t packet[12] = {0x03, 0xe8, 0x00, 0x50, 0, 0, 0, 1, 9, 9, 9, 9};
    uint8_t again[12];

    CHECK(checksum_finish_sctp(packet, 12, 0), "it lies in the frame");
    memcpy(again, packet, 12);
    CHECK(checksum_finish_sctp(again, 12, 0) && memcmp(packet, again, 12) == 0,
          "what was in the field does not matter");
    CHECK(memcmp(packet + 8, (uint8_t[4]){0x12, 0x96, 0xc6, 0x67}, 4) == 0, "%02x%02x%02x%02x",
          packet[8], packet[9], packet[10], packet[11]);
}

int
main(void)
{
    check_sums();
    for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++)
        check_unfinished(&unfinished[i]);
    check_left_alone("a fragment that looks unfinished",
                     MACS IPV4("001c", "2000", "11") PORTS "0008 8c41");
    check_left_alone("ICMP", MACS IPV4("001c", "0000", "01") "0800 0000 1234 0001");
    check_left_alone("UDP without a checksum", MACS IPV4("001c", "0000", "11") UDP("0008"));
    check_left_alone("a malformed frame", MACS IPV4("001d", "0000", "11") UDP("0008"));
    check_left_alone("ARP", MACS "0806 0001 0800 0604 0001");
    check_bounds();
    check_zero();
    check_sctp();
    return check_result();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a libFuzzer target for a few seconds without libFuzzer, which needs clang:
 * mutations of good frames, from a seed that is printed.
 *
 *   fuzz_frames SECONDS [SEED]
 */
#include <time.h>

#include "frames.h"

#define ROOM 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TSO4 "01 01 0000 0008 2200 1000 " /* a virtio-net header, in little-endian words */
#define TSO6 "01 04 0000 0008 3600 1000 "
#define USO "01 05 0000 0400 2200 0600 "
#define PLAIN "00 00 0000 0000 0000 0000 "
#define EIGHT "0102030405060708 "

static const char *const corpus[] = {
    TSO4 MACS IPV4("0040", "4000", "06") TCP EIGHT EIGHT EIGHT,
    TSO6 MACS IPV6("002c", "06") TCP EIGHT EIGHT EIGHT,
    USO MACS IPV4("0034", "0000", "11") UDP("0020") EIGHT EIGHT EIGHT,
    PLAIN MACS SERVICE_VLAN9 VLAN5 IPV4("001c", "0000", "11") UDP("0008"),
    PLAIN MACS IPV4("0038", "0000", "01") "0303 0000 00000000" IPV4_BACK("0064", "11") UDP("0050"),
    PLAIN MACS IPV6("0038", "3a") "0200 0000 00000500" IPV6_BACK("0514", "06") TCP,
    PLAIN MACS IPV6("0028", "00") "2b00000000000000 3c00000000000000 2c00000000000000"
          "1100 0001 00000001" UDP("0008"),
    PLAIN MACS IPV4("0020", "0000", "84") SCTP,
};

#define CORPUS (sizeof(corpus) / sizeof(corpus[0]))

static uint64_t state;

/* xorshift64* */
static uint32_t
next_random(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

static void
mutate(uint8_t *input, uint32_t *length)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x45, 0x60, 0x2c, 0x3a};

    switch (next_random(5)) {
    case 0:
        *length = next_random(*length + 1);
        break;
    case 1:
        while (*length < ROOM && next_random(16) != 0)
            input[(*length)++] = (uint8_t)next_random(256);
        break;
    case 2:
        if (*length != 0)
            input[next_random(*length)] ^= (uint8_t)(1u << next_random(8));
        break;
    case 3:
        if (*length != 0)
            input[next_random(*length)] = edges[next_random(sizeof(edges))];
        break;
    default:
        if (*length != 0)
            input[next_random(*length)] = (uint8_t)next_random(256);
    }
}

static void
try_one(uint8_t *const *seed, const uint32_t *length)
{
    uint32_t choice = next_random(CORPUS), size = length[choice];
    uint8_t input[ROOM];

    memcpy(input, seed[choice], size);
    for (uint32_t left = 1 + next_random(6); left != 0; left--)
        mutate(input, &size);
    LLVMFuzzerTestOneInput(input, size);
}

int
main(int count, char **argument)
{
    uint8_t *seed[CORPUS];
    uint32_t length[CORPUS];
    uint64_t tried = 0;
    time_t end;

    REQUIRE(count >= 2, "usage: fuzz_frames SECONDS [SEED]");
    end = time(NULL) + atoi(argument[1]);
    state = count > 2 ? strtoull(argument[2], NULL, 0) : (uint64_t)time(NULL) * 2 + 1;
    printf("seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    for (size_t i = 0; i < CORPUS; i++)
        seed[i] = frame_read(corpus[i], &length[i]);
    while (time(NULL) < end)
        for (unsigned i = 0; i < 1000; i++, tried++)
            try_one(seed, length);
    for (size_t i = 0; i < CORPUS; i++)
        free(seed[i]);
    printf("%llu inputs\n", (unsigned long long)tried);
    CHECK(tried > 1000, "only %llu inputs were tried", (unsigned long long)tried);
    return check_result();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a libFuzzer target for a few seconds without libFuzzer, which needs clang:
 * mutations of a corpus (frames in hex, one a line), from a seed that is printed.
 *
 *   fuzz_NF CORPUS SECONDS [SEED]
 */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "../check.h"

#define FRAMES 256
#define ROOM 2048
#define IN_ONE_INPUT 4

struct frame {
    uint32_t length;
    uint8_t bytes[ROOM];
};

static struct frame corpus[FRAMES];
static uint32_t frames;
static uint64_t state;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* xorshift64* */
static uint32_t
draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

static void
read_frame(const char *hex, struct frame *frame)
{
    while (sscanf(hex, "%2hhx", &frame->bytes[frame->length]) == 1 && frame->length < ROOM - 1) {
        frame->length++;
        hex += 2;
    }
}

static void
read_corpus(const char *path)
{
    char line[2 * ROOM];
    FILE *file = fopen(path, "r");

    REQUIRE(file, "%s cannot be read", path);
    while (frames < FRAMES && fgets(line, sizeof(line), file))
        if (line[0] != '#' && line[0] != '\n')
            read_frame(line, &corpus[frames++]);
    fclose(file);
    REQUIRE(frames > 0, "%s has no frames", path);
}

static void
mutate(struct frame *frame)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x45, 0x60, 0x2c, 0x3a};
    uint32_t at = draw(frame->length + 1);

    switch (draw(5)) {
    case 0: frame->length = at; break;
    case 1: frame->bytes[at] ^= (uint8_t)(1u << draw(8)); break;
    case 2: frame->bytes[at] = edges[draw(sizeof(edges))]; break;
    case 3: frame->bytes[at] = (uint8_t)draw(256); break;
    default: break; /* as it is, so that flows are found again */
    }
}

/* Appends a frame, mutated up to three times, behind its length; returns the new size. */
static uint32_t
append(uint8_t *input, uint32_t size)
{
    struct frame frame = corpus[draw(frames)];

    for (uint32_t left = draw(4); left > 0; left--)
        mutate(&frame);
    input[size] = (uint8_t)(frame.length >> 8);
    input[size + 1] = (uint8_t)frame.length;
    memcpy(input + size + 2, frame.bytes, frame.length);
    return size + 2 + frame.length;
}

static void
try_one(void)
{
    static uint8_t input[IN_ONE_INPUT * (ROOM + 2)];
    uint32_t size = 0;

    for (uint32_t left = 1 + draw(IN_ONE_INPUT); left > 0; left--)
        size = append(input, size);
    LLVMFuzzerTestOneInput(input, size);
}

int
main(int count, char **argument)
{
    uint64_t tried = 0;
    time_t end;

    REQUIRE(count >= 3, "usage: fuzz_NF CORPUS SECONDS [SEED]");
    read_corpus(argument[1]);
    end = time(NULL) + atoi(argument[2]);
    state = count > 3 ? strtoull(argument[3], NULL, 0) : (uint64_t)time(NULL) * 2 + 1;
    printf("seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    while (time(NULL) < end)
        for (unsigned i = 0; i < 1000; i++, tried++)
            try_one();
    printf("%llu inputs\n", (unsigned long long)tried);
    CHECK(tried > 1000, "only %llu inputs were tried", (unsigned long long)tried);
    return check_result();
}

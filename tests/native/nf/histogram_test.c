/* SPDX-License-Identifier: BSD-3-Clause */
/* Histograms: every value has one bucket, none wider than a sixteenth of it; stamps are clamped. */
#include "../check.h"
#include "protocol/histogram.h"

#define LIMIT (1ull << ONVM_HISTOGRAM_BITS)

static void
test_order(void)
{
    uint32_t before = 0;

    for (uint64_t value = 0; value < LIMIT; value += 1 + value / 1000) {
        uint32_t bucket = onvm_histogram_bucket(value);
        if (bucket < before || bucket >= ONVM_HISTOGRAM_BUCKETS)
            CHECK(false, "%llu is in bucket %u after %u", (unsigned long long)value, bucket,
                  before);
        before = bucket;
    }
    CHECK(before == ONVM_HISTOGRAM_BUCKETS - 1, "the largest value fills the last bucket");
}

static uint64_t
first_value(uint32_t bucket)
{
    uint32_t octave = bucket / ONVM_HISTOGRAM_LINEAR;

    if (octave == 0)
        return bucket;
    return (uint64_t)(ONVM_HISTOGRAM_LINEAR + bucket % ONVM_HISTOGRAM_LINEAR) << (octave - 1);
}

static void
test_width(void)
{
    for (uint32_t bucket = 0; bucket < ONVM_HISTOGRAM_BUCKETS; bucket++) {
        uint64_t first = first_value(bucket), next = first_value(bucket + 1);
        bool exact = onvm_histogram_bucket(first) == bucket &&
                     onvm_histogram_bucket(next - 1) == bucket;
        if (!exact || (next - first > 1 && next - first > first / 16))
            CHECK(false, "bucket %u is not from %llu to %llu", bucket, (unsigned long long)first,
                  (unsigned long long)next);
    }
    CHECK(first_value(ONVM_HISTOGRAM_BUCKETS) == LIMIT, "the buckets cover the range");
}

static const struct {
    const char *sentence;
    uint64_t from, to, value;
} cases[] = {
    {"a short time is exact", 1000, 1007, 7},
    {"a stamp from the future is no time at all", 2000, 1000, 0},
    {"a counter may wrap", UINT64_MAX - 2, 5, 8},
    {"what is too long counts as the longest", 1, 1 + LIMIT, LIMIT - 1},
    {"a wild stamp as well", 1, 1ull << 62, LIMIT - 1},
};

static void
test_record(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct onvm_histogram histogram;
        uint32_t bucket = onvm_histogram_bucket(cases[i].value);

        histogram = (struct onvm_histogram){0};
        onvm_histogram_record(&histogram, cases[i].from, cases[i].to);
        CHECK(histogram.bucket[bucket] == 1 && histogram.sum == cases[i].value &&
                  histogram.max == cases[i].value,
              "%s: sum %llu", cases[i].sentence, (unsigned long long)histogram.sum);
    }
}

static const struct {
    const char *sentence;
    uint16_t offset, length;
    bool within;
} frames[] = {
    {"a frame may begin behind the stamps", 16, 60, true},
    {"but not within them", 15, 60, false},
    {"nor at the buffer's first byte", 0, 14, false},
    {"it may end with the buffer", 2240, 64, true},
    {"but not behind it", 2241, 64, false},
    {"nothing is as long as lengths can say", 128, 65535, false},
    {"nor as far", 65535, 14, false},
};

static void
test_bounds(void)
{
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        const struct onvm_descriptor descriptor = {.offset = frames[i].offset,
                                                   .length = frames[i].length};
        CHECK(onvm_frame_within(&descriptor, 2304) == frames[i].within, "%s", frames[i].sentence);
    }
}

int
main(void)
{
    test_order();
    test_width();
    test_record();
    test_bounds();
    return check_result();
}

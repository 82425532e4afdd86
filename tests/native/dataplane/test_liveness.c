/* SPDX-License-Identifier: BSD-3-Clause */
/* When a link counts as up, and what its other end says of the ways behind it. */
#include "dataplane/liveness.h"

#include <string.h>

#include "../check.h"
#include "dataplane/arrivals.h"

#define WAY(path_id, index) ((uint32_t)(path_id) << 8 | (index))

static void
hear(struct liveness *liveness, bool hears, uint32_t way, uint64_t now)
{
    struct probe probe = {.hears = hears, .sent = now, .count = way != 0, .cut_off = {way}};

    liveness_hear(liveness, &probe, now, now * 1000000);
}

/* {what, ms of the probe, whether it says that we are heard, ms of the question, up} */
static const struct {
    const char *what;
    uint64_t heard_at;
    bool hears;
    uint64_t now;
    bool up;
} moments[] = {
    {"both directions", 1000, true, 1000, true},
    {"for as long as probes may be missing", 1000, true, 1000 + PROBE_PATIENCE_MS, true},
    {"no longer", 1000, true, 1001 + PROBE_PATIENCE_MS, false},
    {"they do not hear us", 1000, false, 1000, false},
};

static void
check_moments(void)
{
    struct liveness never = {0};

    CHECK(!liveness_up(&never, 0), "up before anything was heard");
    for (unsigned i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        struct liveness liveness = {0};

        hear(&liveness, moments[i].hears, 0, moments[i].heard_at);
        CHECK(liveness_up(&liveness, moments[i].now) == moments[i].up, "%s", moments[i].what);
    }
}

static void
check_cut_off(void)
{
    struct liveness liveness = {0};

    hear(&liveness, true, WAY(7, 254), 1000);
    hear(&liveness, true, WAY(7, 254), 1000);
    CHECK(liveness.cut_offs == 1, "it is listed twice");
    CHECK(liveness_cut_off(&liveness, WAY(7, 254), 1100), "is not cut off");
    CHECK(!liveness_cut_off(&liveness, WAY(7, 253), 1100), "another one is cut off");
    CHECK(!liveness_cut_off(&liveness, WAY(7, 254), 1001 + PROBE_PATIENCE_MS), "cut off for ever");
    hear(&liveness, true, WAY(8, 254), 1100);
    CHECK(!liveness_cut_off(&liveness, WAY(7, 254), 1100), "is still cut off");
    liveness_expire(&liveness, 1101 + PROBE_PATIENCE_MS);
    CHECK(liveness.cut_offs == 0, "%u are kept", liveness.cut_offs);
}

static void
check_pause(void)
{
    struct attention attention = {0};

    for (uint64_t now = 1000; now <= 1300; now += 50)
        liveness_attend(&attention, now);
    CHECK(attention.ms == PROBE_MS + 300, "%lu ms of looks", (unsigned long)attention.ms);
    liveness_attend(&attention, 1300 + 10 * PROBE_PATIENCE_MS);
    CHECK(attention.ms == 2 * PROBE_MS + 300, "a pause counts: %lu", (unsigned long)attention.ms);
}

static void
check_many_cut_off(void)
{
    struct liveness liveness = {0};

    struct probe probe = {.hears = true, .count = PROBE_ENTRIES};

    for (uint32_t i = 1; i <= 2 * ONVM_MAX_CHAINS; i += PROBE_ENTRIES) {
        for (uint32_t j = 0; j < PROBE_ENTRIES; j++)
            probe.cut_off[j] = WAY(i + j, 255);
        liveness_hear(&liveness, &probe, 1000, 0);
    }
    CHECK(liveness.cut_offs == ONVM_MAX_CHAINS, "%u of them", liveness.cut_offs);
    CHECK(liveness_cut_off(&liveness, WAY(ONVM_MAX_CHAINS, 255), 1000), "the last that fits");
}

static void
check_round_trip(void)
{
    struct liveness liveness = {0};
    struct probe probe = {.hears = true, .echo = 1000, .held = 300};

    liveness_hear(&liveness, &probe, 1, 1500);
    CHECK(liveness.round_trip == 200, "%lu ns", (unsigned long)liveness.round_trip);
    probe.held = 900;
    liveness_hear(&liveness, &probe, 1, 1500);
    CHECK(liveness.round_trip == 200, "a lie counts: %lu ns", (unsigned long)liveness.round_trip);
}

static void
check_probe_bytes(void)
{
    struct probe probe = {.hears = true, .sent = 1ull << 40, .echo = 5, .held = 6, .count = 2,
                          .cut_off = {WAY(1, 255), WAY(2, 254)}}, found;
    uint8_t bytes[PROBE_MOST];
    uint32_t size = probe_write(bytes, &probe);

    CHECK(size == PROBE_HEADER + 8 && probe_read(bytes, size, &found), "%u bytes", size);
    CHECK(found.hears && found.sent == probe.sent && found.echo == 5 && found.held == 6 &&
          found.count == 2 && found.cut_off[1] == WAY(2, 254), "another probe");
    for (uint32_t cut = 0; cut < size; cut++)
        CHECK(!probe_read(bytes, cut, &found), "%u bytes are enough", cut);
    bytes[6] = 0xff;
    CHECK(!probe_read(bytes, PROBE_MOST, &found), "more entries than fit");
    bytes[6] = 0;
    bytes[4] = 2;
    CHECK(!probe_read(bytes, size, &found), "another version");
}

static void
check_arrivals(void)
{
    struct arrivals *arrivals = arrivals_new(1000);

    REQUIRE(arrivals != NULL, "out of memory");
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(arrivals_add(arrivals, (struct arrival_key){1, (uint8_t)(i % 7), i / 7},
                           (uint16_t)(i + 1)), "no room for %u", i);
    for (uint32_t i = 0; i < 1000; i++) {
        struct arrival_key key = {1, (uint8_t)(i % 7), i / 7}, other = {2, key.index, key.path_id};

        CHECK(arrivals_find(arrivals, key) == i + 1, "%u: another chain", i);
        CHECK(arrivals_find(arrivals, other) == 0, "%u: by another link, too", i);
        CHECK(!arrivals_add(arrivals, key, 5), "%u: twice", i);
    }
    CHECK(arrivals_find(NULL, (struct arrival_key){0}) == 0, "without a table");
    arrivals_free(arrivals);
}

int
main(void)
{
    check_moments();
    check_cut_off();
    check_pause();
    check_many_cut_off();
    check_round_trip();
    check_probe_bytes();
    check_arrivals();
    return check_result();
}

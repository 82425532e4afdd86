/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

#include "bytes.h"

#define MAGIC 0x6f6e7670u /* "onvp" */
#define VERSION 1
#define HEARS 1

static uint64_t
load64(const uint8_t *at)
{
    return (uint64_t)load32(at) << 32 | load32(at + 4);
}

static void
store64(uint8_t *at, uint64_t value)
{
    store32(at, (uint32_t)(value >> 32));
    store32(at + 4, (uint32_t)value);
}

uint32_t
probe_write(uint8_t *at, const struct probe *probe)
{
    store32(at, MAGIC);
    at[4] = VERSION;
    at[5] = probe->hears ? HEARS : 0;
    store16(at + 6, probe->count);
    store64(at + 8, probe->sent);
    store64(at + 16, probe->echo);
    store64(at + 24, probe->held);
    for (uint16_t i = 0; i < probe->count; i++)
        store32(at + PROBE_HEADER + 4u * i, probe->cut_off[i]);
    return PROBE_HEADER + 4u * probe->count;
}

bool
probe_read(const uint8_t *at, uint32_t size, struct probe *probe)
{
    if (size < PROBE_HEADER || load32(at) != MAGIC || at[4] != VERSION)
        return false;
    probe->count = load16(at + 6);
    if (probe->count > PROBE_ENTRIES || size < PROBE_HEADER + 4u * probe->count)
        return false;
    probe->hears = (at[5] & HEARS) != 0;
    probe->sent = load64(at + 8);
    probe->echo = load64(at + 16);
    probe->held = load64(at + 24);
    for (uint16_t i = 0; i < probe->count; i++)
        probe->cut_off[i] = load32(at + PROBE_HEADER + 4u * i);
    return true;
}

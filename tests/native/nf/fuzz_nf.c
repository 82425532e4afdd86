/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A libFuzzer target for one NF module: bursts of any bytes.
 *
 * The input is frames, each behind two bytes of its length.  Every frame gets a
 * buffer of just its size, so that the sanitizers see the first byte too far.
 * Beside that it is a fault if a verdict is impossible, if an NF that only looks
 * changes a packet, or if right checksums are wrong after a translation.
 */
#include <stdlib.h>
#include <string.h>

#include "nf/checksum.h"
#include "nf/nf.h"
#include "nf/packet.h"

#define SECOND 1000000000ull

#define MUST(condition)     \
    do {                    \
        if (!(condition))   \
            abort();        \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parameters with which each NF has most to do. */
static const struct {
    const char *nf, *parameters;
} configurations[] = {
    {"firewall",
     "{\"parameters\": {\"default\": \"drop\", \"rules\": ["
     "{\"source\": \"198.18.0.0/24\", \"protocol\": \"udp\", \"verdict\": \"accept\"},"
     "{\"destination\": \"2001:db8:1::/48\", \"destination_ports\": 80, \"verdict\": \"accept\"},"
     "{\"source\": \"198.19.0.80\", \"source_ports\": \"50-90\", \"verdict\": \"drop\"}]}}"},
    {"flow_monitor", "{\"parameters\": {\"max_flows\": 64}}"},
    {"nat",
     "{\"parameters\": {\"inside\": [\"198.18.0.0/24\"], \"addresses\": [\"198.19.0.1\"],"
     "\"max_entries\": 64}}"},
};

static void *state;
static uint64_t now = SECOND;

static const char *
parameters(void)
{
    for (size_t i = 0; i < sizeof(configurations) / sizeof(configurations[0]); i++)
        if (strcmp(configurations[i].nf, onvm_module.name) == 0)
            return configurations[i].parameters;
    return NULL;
}

/* Made once and kept: what one input leaves behind, the next one meets. */
static void
start(void)
{
    struct onvm_failure failure;
    json_t *configuration = json_loads(parameters(), 0, NULL);

    state = calloc(1, onvm_module.state_size);
    MUST(configuration && state);
    MUST(onvm_module.configure(state, configuration, &failure));
    json_decref(configuration);
}

/* The sum over the transport and its pseudo-header (RFC 9293, section 3.1). */
static uint16_t
transport_sum(const uint8_t *frame, const struct onvm_headers *headers)
{
    uint16_t bytes = (uint16_t)(headers->end - headers->l4);
    uint8_t pseudo[4] = {0, headers->protocol, (uint8_t)(bytes >> 8), (uint8_t)bytes};
    uint64_t sum = onvm_checksum_add(0, frame + headers->l4, bytes);

    if (headers->protocol != ONVM_PROTOCOL_ICMP) {
        sum = onvm_checksum_add(sum, frame + headers->l3 + 12, 8);
        sum = onvm_checksum_add(sum, pseudo, sizeof(pseudo));
    }
    return onvm_checksum_fold(sum);
}

static bool
has_transport_checksum(const struct onvm_headers *headers)
{
    return headers->protocol == ONVM_PROTOCOL_TCP || headers->protocol == ONVM_PROTOCOL_UDP ||
           headers->protocol == ONVM_PROTOCOL_ICMP;
}

/* Whether every checksum of a whole IPv4 packet is right. */
static bool
checksums_right(const uint8_t *frame, uint16_t length)
{
    struct onvm_headers headers;
    size_t size;

    if (onvm_parse(frame, length, length, &headers) != ONVM_PARSED || headers.version != 4 ||
        headers.fragment || !has_transport_checksum(&headers))
        return false;
    size = (size_t)(frame[headers.l3] & 0xf) * 4;
    return onvm_checksum(frame + headers.l3, size) == 0 &&
           transport_sum(frame, &headers) == 0xffff;
}

static void
judge(const struct onvm_burst *burst, uint32_t i, const uint8_t *before)
{
    uint16_t length = onvm_packet_length(burst, i);
    bool translates = strcmp(onvm_module.name, "nat") == 0;

    MUST(burst->verdict[i] <= ONVM_VERDICT_OUT);
    MUST(burst->verdict[i] != ONVM_VERDICT_DROP || burst->argument[i] < ONVM_DROP_REASON_COUNT);
    MUST(burst->verdict[i] != ONVM_VERDICT_OUT || burst->argument[i] < ONVM_MAX_PORTS);
    MUST(translates || memcmp(burst->data[i], before, length) == 0);
    if (translates && burst->verdict[i] != ONVM_VERDICT_DROP && checksums_right(before, length))
        MUST(checksums_right(burst->data[i], length));
}

static uint8_t *
copy_of(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length);

    MUST(copy);
    memcpy(copy, bytes, length);
    return copy;
}

/* Takes the next frame off the input; 0: there is none that an NF would get. */
static uint16_t
next_frame(const uint8_t **data, size_t *size, const uint8_t **frame)
{
    uint16_t length;

    if (*size < 2)
        return 0;
    length = onvm_read16(*data);
    *frame = *data + 2;
    if (length > *size - 2)
        length = (uint16_t)(*size - 2);
    *data += 2 + length;
    *size -= 2u + length;
    return length >= ONVM_FRAME_MIN ? length : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct onvm_burst burst = {.stride = 2304, .now = now};
    const uint8_t *frame, *before[ONVM_BURST];
    uint16_t length;

    if (!state)
        start();
    while (burst.count < ONVM_BURST && (length = next_frame(&data, &size, &frame)) > 0) {
        burst.data[burst.count] = copy_of(frame, length);
        burst.descriptor[burst.count].length = length;
        burst.verdict[burst.count] = ONVM_VERDICT_NEXT;
        before[burst.count++] = frame;
    }
    onvm_module.handler(&burst, state);
    for (uint32_t i = 0; i < burst.count; i++) {
        judge(&burst, i, before[i]);
        free(burst.data[i]);
    }
    now += SECOND;
    if (onvm_module.timer)
        onvm_module.timer(state, now);
    return 0;
}

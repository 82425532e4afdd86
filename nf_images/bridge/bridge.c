/* SPDX-License-Identifier: BSD-3-Clause */
/* bridge: joins pairs of ports; what comes in by one leaves by the other. */
#include <string.h>

#include "nf/nf.h"
#include "nf/parameters.h"

#define NO_PORT 0xff

struct bridge {
    uint8_t other[ONVM_MAX_PORTS]; /* by ingress port */
};

static bool
join(struct bridge *bridge, uint8_t one, uint8_t other, const json_t *pair,
     struct onvm_failure *failure)
{
    if (one == other)
        return onvm_fail(failure, "pairs: a pair joins two different ports, not %s with itself",
                         json_string_value(json_array_get(pair, 0)));
    if (bridge->other[one] != NO_PORT || bridge->other[other] != NO_PORT)
        return onvm_fail(failure, "pairs: a port of the pair %s, %s is in another pair already",
                         json_string_value(json_array_get(pair, 0)),
                         json_string_value(json_array_get(pair, 1)));
    bridge->other[one] = other;
    bridge->other[other] = one;
    return true;
}

static bool
read_pair(struct bridge *bridge, json_t *configuration, json_t *pair,
          struct onvm_failure *failure)
{
    const char *one = json_string_value(json_array_get(pair, 0));
    const char *other = json_string_value(json_array_get(pair, 1));
    uint8_t ids[2];

    if (json_array_size(pair) != 2 || !one || !other)
        return onvm_fail(failure, "pairs: every pair must be a list of two port names");
    return onvm_read_port(configuration, one, &ids[0], failure) &&
           onvm_read_port(configuration, other, &ids[1], failure) &&
           join(bridge, ids[0], ids[1], pair, failure);
}

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    json_t *pairs = NULL, *pair;
    const struct onvm_parameter known[] = {{"pairs", ONVM_LIST, .value = &pairs}, {0}};
    struct bridge bridge;
    size_t i;

    memset(bridge.other, NO_PORT, sizeof(bridge.other));
    if (!onvm_read_parameters(configuration, known, failure))
        return false;
    if (json_array_size(pairs) == 0)
        return onvm_fail(failure, "pairs must name at least one pair of ports");
    json_array_foreach(pairs, i, pair)
        if (!read_pair(&bridge, configuration, pair, failure))
            return false;
    memcpy(state, &bridge, sizeof(bridge));
    return true;
}

static void
handle(struct onvm_burst *burst, void *state)
{
    const struct bridge *bridge = state;

    for (uint32_t i = 0; i < burst->count; i++) {
        uint8_t other = bridge->other[onvm_packet_port(burst, i)];

        if (other == NO_PORT)
            onvm_packet_drop(burst, i, ONVM_DROP_nf_policy);
        else
            onvm_packet_out(burst, i, other);
    }
}

ONVM_NF(bridge, "joins pairs of ports",
        .state_size = sizeof(struct bridge),
        .configure = configure,
        .handler = handle);

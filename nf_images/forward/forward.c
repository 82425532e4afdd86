/* SPDX-License-Identifier: BSD-3-Clause */
/* forward: passes every packet on; with swap_mac it swaps the MAC addresses. */
#include "nf/nf.h"
#include "nf/packet.h"
#include "nf/parameters.h"

struct forward {
    bool swap_mac;
};

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    struct forward *forward = state;
    bool swap_mac = false;
    const struct onvm_parameter known[] = {
        {"swap_mac", ONVM_BOOLEAN, .boolean = &swap_mac},
        {0},
    };

    if (!onvm_read_parameters(configuration, known, failure))
        return false;
    forward->swap_mac = swap_mac;
    return true;
}

static void
swap_mac(uint8_t *frame)
{
    struct onvm_ethernet *ethernet = onvm_ethernet(frame);
    struct onvm_mac destination = ethernet->destination;

    ethernet->destination = ethernet->source;
    ethernet->source = destination;
}

static void
handle(struct onvm_burst *burst, void *state)
{
    const struct forward *forward = state;

    if (!forward->swap_mac)
        return;
    for (uint32_t i = 0; i < burst->count; i++)
        swap_mac(burst->data[i]);
}

ONVM_NF(forward, "passes every packet on",
        .state_size = sizeof(struct forward),
        .configure = configure,
        .handler = handle);

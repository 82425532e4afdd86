/* SPDX-License-Identifier: BSD-3-Clause */
/* forward: passes every packet on; it can swap the MAC addresses, and take its time. */
#include "nf/nf.h"
#include "nf/parameters.h"
#include "swap_mac.h"

#define COST_MAX 10000000

struct forward {
    bool swap_mac;
    uint64_t cost; /* steps of an empty loop for each packet */
};

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    struct forward *forward = state;
    bool swap_mac = false;
    uint64_t cost = 0;
    const struct onvm_parameter known[] = {
        {"swap_mac", ONVM_BOOLEAN, .boolean = &swap_mac},
        {"cost", ONVM_NUMBER, .number = &cost, .least = 0, .most = COST_MAX},
        {0},
    };

    if (!onvm_read_parameters(configuration, known, failure))
        return false;
    forward->swap_mac = swap_mac;
    forward->cost = cost;
    return true;
}

/* Work that the compiler must not think away, about a CPU cycle a step. */
static void
toil(uint64_t steps)
{
    for (; steps > 0; steps--)
        __asm__ volatile("" : "+r"(steps));
}

static void
handle(struct onvm_burst *burst, void *state)
{
    const struct forward *forward = state;

    toil(burst->count * forward->cost);
    if (!forward->swap_mac)
        return;
    for (uint32_t i = 0; i < burst->count; i++)
        swap_mac(burst->data[i]);
}

ONVM_NF(forward, "passes every packet on",
        .state_size = sizeof(struct forward),
        .configure = configure,
        .handler = handle);

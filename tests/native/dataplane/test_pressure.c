/* SPDX-License-Identifier: BSD-3-Clause */
/* How many packets a chain may have on the way, by how many leave it and what it shares. */
#include "../check.h"
#include "dataplane/worker.h"

#define SLOTS 8192
#define SETTLED 100 /* milliseconds after which rates have been learnt */
#define SHARED 1    /* the service of both chains */
#define OWN 2       /* that of the second chain alone */

static struct worker worker;
static struct onvm_worker_counters counters;

struct situation {
    const char *what;
    uint32_t rate[2]; /* packets that leave a chain in a millisecond; 0: it has no traffic */
    uint64_t chain_limit;
    uint64_t limit[2]; /* wanted */
};

static const struct situation situations[] = {
    {"a slow chain has the smallest window", {100, 0}, SLOTS, {1792, 256}},
    {"a fast one what passes it in half a millisecond, in whole bursts",
     {10000, 0}, SLOTS, {4352, 256}},
    {"and at most what an edge holds", {100000, 0}, SLOTS, {7168, 256}},
    {"two share alike where they meet, whichever of them is the faster",
     {9000, 7000}, SLOTS, {3456, 3008}},
    {"a slow service has its own small window also on a fast chain's way",
     {10000, 100}, SLOTS, {2176, 1792}},
    {"nobody has more than a part of the buffers", {10000, 0}, 1000, {1000, 256}},
    {"two have it together, where that is more than with the smallest windows",
     {100000, 100000}, 4096, {2048, 2048}},
    {"else what they have with those", {100000, 100000}, 1024, {896, 896}},
};

static void
begin(uint64_t chain_limit)
{
    worker = (struct worker){.counters = &counters, .chain_limit = chain_limit};
    pressure_open(&worker.pressure, SLOTS, 40);
    worker.path[1] = (struct path){.live = true, .hops = 1, .service = {SHARED}};
    worker.path[2] = (struct path){.live = true, .hops = 2, .service = {SHARED, OWN}};
    pressure_note_path(&worker, 1);
    pressure_note_path(&worker, 2);
}

static void
pass(const struct situation *situation)
{
    for (unsigned i = 0; i < 2; i++) {
        worker.path[1 + i].in_flight = situation->rate[i] > 0;
        counters.chain[1 + i].out.packets += situation->rate[i];
    }
    worker.now++;
    pressure_look(&worker);
}

static void
check_situation(const struct situation *situation)
{
    begin(situation->chain_limit);
    for (unsigned ms = 0; ms < SETTLED; ms++)
        pass(situation);
    for (unsigned i = 0; i < 2; i++)
        CHECK(worker.path[1 + i].limit == situation->limit[i], "%s: chain %u may have %lu, not %lu",
              situation->what, 1 + i, (unsigned long)worker.path[1 + i].limit,
              (unsigned long)situation->limit[i]);
}

int
main(void)
{
    for (unsigned i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
        check_situation(&situations[i]);
    return check_result();
}

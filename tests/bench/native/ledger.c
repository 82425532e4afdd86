/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ledger and the generations cost a packet: to hand a buffer out, and to
 * check and take it back when it comes home, some thousand packets later.
 *
 *   bench_ledger PACKETS SAMPLES
 */
#include "dataplane/ledger.h"
#include "sampling.h"

#define BUFFERS 16384u
#define AWAY 4096u /* buffers that are out at any time */
#define BURST 32u

static uint32_t away[AWAY];

/*
 * Buffers come back in order, and are given out again in that of their indices.
 * Without a ledger it only goes round, so that this can be taken off.
 */
static inline __attribute__((always_inline)) double
run(struct ledger *ledger, uint32_t packets)
{
    enum onvm_drop_reason reason = 0;
    double start = cpu_nanoseconds();

    for (uint32_t done = 0; done < packets; done += BURST) {
        for (uint32_t i = done; i < done + BURST; i++) {
            if (ledger != NULL && i >= AWAY &&
                ledger_take_back(ledger, away[i % AWAY], &reason) == NULL)
                abort();
            away[i % AWAY] = ledger == NULL ? i
                                            : ledger_hand_out(ledger, i % BUFFERS,
                                                              (struct ledger_life){1, 0, i});
        }
        use(away);
    }
    return (cpu_nanoseconds() - start) / packets;
}

int
main(int argc, char **argv)
{
    const char *usage = "PACKETS SAMPLES";
    uint32_t packets = number(argc, argv, 1, usage), samples = number(argc, argv, 2, usage);

    for (uint32_t i = 0; i <= samples; i++) {
        struct ledger ledger;
        struct failure failure;
        double cost;

        if (!ledger_open(&ledger, 0, BUFFERS, &failure))
            return 1;
        cost = run(&ledger, packets) - run(NULL, packets);
        if (i > 0) /* the first warms up */
            printf("%f\n", cost);
        ledger_close(&ledger);
    }
    return 0;
}

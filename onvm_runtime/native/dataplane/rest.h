/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does when there is nothing to do: it spins, yields, then sleeps until a port
 * or a doorbell wakes it.  And when there is nothing useful to do: it gives way.
 */
#ifndef ONVM_DATAPLANE_REST_H
#define ONVM_DATAPLANE_REST_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* After a turn that moved nothing, the `empty_turns`th in a row. */
void rest(struct worker *worker, unsigned empty_turns);

/*
 * After each turn, which received frames from ports and took packets home from NFs; `dropped`
 * is worker->dropped before it.
 */
void rest_judge(struct worker *worker, unsigned received, unsigned returned, uint64_t dropped);

/*
 * Has devices tell of frames that come, or no more.  Of those that came before they do not tell,
 * so a look at all ports comes between this and a sleep.
 */
void rest_watch(struct worker *worker, bool watched);

#endif

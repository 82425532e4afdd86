/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference chain: mbuf pointers through multi-producer rings between DPDK
 * processes, as openNetVM passes them.  For comparison only.
 *
 * It is bare, which is in its favour: no classification, no actions, no
 * statistics but one counter a process, nothing that survives a death.
 *
 *   manager  the primary: receives from a null device, puts pointers into ring 0,
 *            takes them from the last ring and sends them to the same device
 *   NF i     a secondary: takes from ring i, swaps MAC addresses, puts into ring i + 1
 *
 * Each process counts in a file of its own, which the harness maps.
 */
#ifndef ONVM_BENCH_REFERENCE_H
#define ONVM_BENCH_REFERENCE_H

#include <rte_ring.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#define REFERENCE_BURST 32
#define REFERENCE_POOL "reference"

/* Written by one process, read by the harness; its layout is known to reference.py. */
struct reference_counters {
    uint64_t ready;   /* 1 once the process is in its loop */
    uint64_t packets; /* sent (manager), handled (NF) */
    uint64_t dropped; /* because the next ring was full */
};

/* Maps FILE, which it makes; ends the process when that fails. */
struct reference_counters *reference_open_counters(const char *file);

/* Set by SIGTERM and SIGINT; the end of the harness kills the process. */
extern volatile sig_atomic_t reference_stop;
void reference_catch_signals(void);

/* A number from the command line; ends the process when it is none. */
unsigned reference_number(const char *text);

/* Ends the process with a sentence. */
__attribute__((noreturn, format(printf, 1, 2))) void reference_fail(const char *format, ...);

static inline void
reference_ring_name(char name[RTE_RING_NAMESIZE], unsigned number)
{
    snprintf(name, RTE_RING_NAMESIZE, "reference-%u", number);
}

static inline void
reference_count(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

#endif

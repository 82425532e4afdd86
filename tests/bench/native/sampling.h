/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time of this thread, and what the programs of this folder are called with. */
#ifndef ONVM_BENCH_SAMPLING_H
#define ONVM_BENCH_SAMPLING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double
cpu_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Makes the compiler believe that what `pointer` points to is looked at. */
static inline void
use(const void *pointer)
{
    __asm__ volatile("" ::"r"(pointer) : "memory");
}

/* The number of an argument; ends the program where there is none. */
static inline uint32_t
number(int argc, char **argv, int place, const char *usage)
{
    char *end = NULL;
    unsigned long value = place < argc ? strtoul(argv[place], &end, 10) : 0;

    if (end == NULL || *end != '\0' || value > UINT32_MAX) {
        fprintf(stderr, "usage: %s %s\n", argv[0], usage);
        exit(2);
    }
    return (uint32_t)value;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The two clocks of an NF: cycles to measure handlers, coarse time for time-outs. */
#ifndef ONVM_NF_CLOCK_H
#define ONVM_NF_CLOCK_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t
clock_cycles(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t cycles;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
    return cycles;
#else
#error "no cycle counter is known for this architecture"
#endif
}

static inline void
clock_relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#else
    __asm__ volatile("yield");
#endif
}

/* Monotonic nanoseconds without a system call, as coarse as the kernel's tick. */
static inline uint64_t
clock_coarse(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif

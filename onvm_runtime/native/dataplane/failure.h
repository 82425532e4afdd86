/* SPDX-License-Identifier: BSD-3-Clause */
/* A sentence for the user about what failed, and what to do: set where it is known. */
#ifndef ONVM_DATAPLANE_FAILURE_H
#define ONVM_DATAPLANE_FAILURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

struct failure {
    char text[512];
};

/* Sets the sentence; returns false, so that `return fail(…)` ends the caller. */
static inline bool __attribute__((format(printf, 2, 3)))
fail(struct failure *failure, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return false;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks for native test programs.
 *
 * A program makes checks and ends with `return check_result();`.  A check that
 * fails prints where and why and lets the program go on; the program then ends
 * with 1.  A program that made no check at all fails as well.
 */
#ifndef TESTS_NATIVE_CHECK_H
#define TESTS_NATIVE_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned check_made, check_failed;

/* The condition must hold; the rest is a printf format that says what was wrong. */
#define CHECK(condition, ...) check_note((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)

/* As CHECK, for what the rest of the program cannot do without. */
#define REQUIRE(condition, ...)               \
    do {                                      \
        if (!CHECK(condition, __VA_ARGS__))   \
            exit(check_result());             \
    } while (0)

static inline bool __attribute__((format(printf, 5, 6)))
check_note(bool holds, const char *file, int line, const char *condition, const char *format, ...)
{
    check_made++;
    if (!holds) {
        va_list arguments;

        check_failed++;
        fprintf(stderr, "%s:%d: %s: ", file, line, condition);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
    }
    return holds;
}

static inline int
check_result(void)
{
    printf("%u checks, %u failed\n", check_made, check_failed);
    return check_made == 0 || check_failed != 0;
}

#endif

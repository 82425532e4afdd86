/* SPDX-License-Identifier: BSD-3-Clause */
/* A check that ends the test program with a sentence. */
#ifndef ONVM_TESTS_CHECK_H
#define ONVM_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr); \
            exit(1); \
        } \
    } while (0)

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Long texts of the session: JSON in memfds. */
#ifndef ONVM_NF_TEXT_H
#define ONVM_NF_TEXT_H

#include "nf.h"

/* Reads a JSON object of `length` bytes from a descriptor.  NULL: failure says why. */
json_t *text_read(int fd, uint32_t length, struct onvm_failure *failure);

/* Puts a text into a sealed memfd; -1 where there is no memory for it. */
int text_seal(const char *text, size_t length);

#endif

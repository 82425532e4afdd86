/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 and IPv6 prefixes, as the user writes them: 198.18.0.0/24, 2001:db8::/32. */
#ifndef ONVM_NF_PREFIX_H
#define ONVM_NF_PREFIX_H

#include "nf.h"

struct onvm_prefix {
    uint8_t version; /* 4 or 6 */
    uint8_t length;  /* bits */
    uint8_t address[16];
};

/*
 * Reads a prefix, or an address, which is a prefix of its whole length.  `key`
 * names the parameter in sentences.  Bits behind the prefix must be zero.
 */
bool onvm_read_prefix(const char *text, const char *key, struct onvm_prefix *prefix,
                      struct onvm_failure *failure);

/* Whether an address (4 or 16 bytes, network order) of the prefix's version lies in it. */
bool onvm_prefix_holds(const struct onvm_prefix *prefix, const uint8_t *address);

#endif

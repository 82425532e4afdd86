/* SPDX-License-Identifier: BSD-3-Clause */
#include "prefix.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 64

static bool
is_zero_behind(const struct onvm_prefix *prefix, unsigned bits)
{
    for (unsigned bit = prefix->length; bit < bits; bit++)
        if (prefix->address[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

/* Reads decimal digits only: strtoul alone would take signs and blanks as well. */
static bool
read_length(const char *text, unsigned bits, uint8_t *length)
{
    unsigned long value;

    if (strlen(text) == 0 || strlen(text) > 3 || strspn(text, "0123456789") != strlen(text))
        return false;
    value = strtoul(text, NULL, 10);
    *length = (uint8_t)value;
    return value <= bits;
}

bool
onvm_read_prefix(const char *text, const char *key, struct onvm_prefix *prefix,
                 struct onvm_failure *failure)
{
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    bool six = strchr(text, ':') != NULL;
    unsigned bits = six ? 128 : 32;
    char address[TEXT_MAX];

    memset(prefix, 0, sizeof(*prefix));
    prefix->version = six ? 6 : 4;
    prefix->length = (uint8_t)bits;
    if (size >= sizeof(address))
        return onvm_fail(failure, "%s: %.50s… is no address", key, text);
    memcpy(address, text, size);
    address[size] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, address, prefix->address) != 1)
        return onvm_fail(failure, "%s: %s is neither an IPv4 nor an IPv6 address", key, address);
    if (slash && !read_length(slash + 1, bits, &prefix->length))
        return onvm_fail(failure, "%s: the prefix of %s must have 0 to %u bits", key, text, bits);
    if (!is_zero_behind(prefix, bits))
        return onvm_fail(failure, "%s: %s has bits set behind its /%u", key, text, prefix->length);
    return true;
}

bool
onvm_prefix_holds(const struct onvm_prefix *prefix, const uint8_t *address)
{
    unsigned whole = prefix->length / 8, rest = prefix->length % 8;

    if (memcmp(prefix->address, address, whole) != 0)
        return false;
    return rest == 0 || ((prefix->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

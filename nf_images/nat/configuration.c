/* SPDX-License-Identifier: BSD-3-Clause */
#include "configuration.h"

#include <stdio.h>
#include <string.h>

#include "nf/parameters.h"

#define SECOND 1000000000ull
#define SHARES_MAX 64
#define TIMEOUT_MAX 604800 /* a week, in seconds */

/* The parameters as they were read. */
struct parameters {
    json_t *inside, *addresses, *timeouts;
    const char *ports, *mac;
    uint64_t max_entries, shares, replica;
    uint16_t low, high;
    uint32_t public[PUBLIC_MAX];
    uint32_t publics;
};

static bool
read_inside(struct nat *nat, const json_t *list, struct onvm_failure *failure)
{
    const json_t *text;
    size_t i;

    nat->insides = (uint32_t)json_array_size(list);
    if (nat->insides == 0 || nat->insides > INSIDE_MAX)
        return onvm_fail(failure, "inside must list 1 to %u prefixes", INSIDE_MAX);
    json_array_foreach(list, i, text)
    {
        if (!json_is_string(text))
            return onvm_fail(failure, "inside must be a list of IPv4 prefixes");
        if (!onvm_read_prefix(json_string_value(text), "inside", &nat->inside[i], failure))
            return false;
        if (nat->inside[i].version != 4)
            return onvm_fail(failure, "inside: %s is not IPv4", json_string_value(text));
    }
    return true;
}

static bool
read_address(struct parameters *parameters, const struct nat *nat, const json_t *text,
             struct onvm_failure *failure)
{
    struct onvm_prefix prefix;

    if (!json_is_string(text))
        return onvm_fail(failure, "addresses must be a list of IPv4 addresses");
    if (!onvm_read_prefix(json_string_value(text), "addresses", &prefix, failure))
        return false;
    if (prefix.version != 4 || prefix.length != 32)
        return onvm_fail(failure, "addresses: %s is not a single IPv4 address",
                         json_string_value(text));
    for (uint32_t i = 0; i < nat->insides; i++)
        if (onvm_prefix_holds(&nat->inside[i], prefix.address))
            return onvm_fail(failure, "addresses: %s lies inside; choose one outside of `inside`",
                             json_string_value(text));
    memcpy(&parameters->public[parameters->publics++], prefix.address, 4);
    return true;
}

static bool
read_addresses(struct parameters *parameters, const struct nat *nat,
               struct onvm_failure *failure)
{
    const json_t *text;
    size_t i, count = json_array_size(parameters->addresses);

    if (count == 0 || count > PUBLIC_MAX)
        return onvm_fail(failure, "addresses must list 1 to %u public addresses", PUBLIC_MAX);
    json_array_foreach(parameters->addresses, i, text)
        if (!read_address(parameters, nat, text, failure))
            return false;
    return true;
}

static bool
read_ports(struct parameters *parameters, struct onvm_failure *failure)
{
    unsigned low, high;
    char rest;

    if (sscanf(parameters->ports, "%5u-%5u%c", &low, &high, &rest) != 2 || low > high ||
        high > 65535)
        return onvm_fail(failure, "ports must be a range such as 1024-65535, not %s",
                         parameters->ports);
    parameters->low = (uint16_t)low;
    parameters->high = (uint16_t)high;
    return true;
}

/* Leaves the replica its part of the ports; what division leaves over is the last one's. */
static bool
take_share(struct parameters *parameters, struct onvm_failure *failure)
{
    unsigned shares = (unsigned)parameters->shares, replica = (unsigned)parameters->replica;
    unsigned size = (parameters->high - parameters->low + 1u) / shares;

    if (replica > shares)
        return onvm_fail(failure, "replica %u needs a share of the ports: shares must be %u or more",
                         replica, replica);
    if (size == 0)
        return onvm_fail(failure, "ports %s cannot be cut into %u shares", parameters->ports, shares);
    parameters->low = (uint16_t)(parameters->low + (replica - 1) * size);
    if (replica < shares)
        parameters->high = (uint16_t)(parameters->low + size - 1);
    return true;
}

static bool
read_timeouts(json_t *object, struct timeouts *timeouts, struct onvm_failure *failure)
{
    uint64_t udp = 300, established = 7440, transitory = 240, icmp = 60;
    const struct onvm_parameter known[] = {
        {"udp", ONVM_NUMBER, .number = &udp, .least = 1, .most = TIMEOUT_MAX},
        {"tcp_established", ONVM_NUMBER, .number = &established, .least = 1, .most = TIMEOUT_MAX},
        {"tcp_transitory", ONVM_NUMBER, .number = &transitory, .least = 1, .most = TIMEOUT_MAX},
        {"icmp", ONVM_NUMBER, .number = &icmp, .least = 1, .most = TIMEOUT_MAX},
        {0},
    };

    if (object && !onvm_read_object(object, "timeouts", known, failure))
        return false;
    timeouts->udp = udp * SECOND;
    timeouts->tcp_established = established * SECOND;
    timeouts->tcp_transitory = transitory * SECOND;
    timeouts->icmp = icmp * SECOND;
    return true;
}

/* A locally administered address made of the public one, or the user's. */
static bool
set_macs(struct nat *nat, const struct parameters *parameters, struct onvm_failure *failure)
{
    unsigned mac[6] = {2, 0};
    char rest;

    if (parameters->mac &&
        (strlen(parameters->mac) != 17 ||
         sscanf(parameters->mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &mac[0], &mac[1], &mac[2], &mac[3],
                &mac[4], &mac[5], &rest) != 6 ||
         mac[0] & 1))
        return onvm_fail(failure, "mac must be a unicast MAC address, not %s", parameters->mac);
    for (uint32_t i = 0; i < parameters->publics; i++) {
        for (unsigned byte = 0; byte < 6; byte++)
            nat->mac[i].byte[byte] = (uint8_t)mac[byte];
        if (!parameters->mac)
            memcpy(nat->mac[i].byte + 2, &parameters->public[i], 4);
    }
    return true;
}

static bool
read_parameters(struct parameters *parameters, json_t *configuration,
                struct onvm_failure *failure)
{
    const struct onvm_parameter known[] = {
        {"inside", ONVM_LIST, .value = &parameters->inside},
        {"addresses", ONVM_LIST, .value = &parameters->addresses},
        {"ports", ONVM_TEXT, .text = &parameters->ports},
        {"shares", ONVM_NUMBER, .number = &parameters->shares, .least = 1, .most = SHARES_MAX},
        {"replica", ONVM_NUMBER, .number = &parameters->replica, .least = 1, .most = SHARES_MAX},
        {"timeouts", ONVM_ANYTHING, .value = &parameters->timeouts},
        {"max_entries", ONVM_NUMBER, .number = &parameters->max_entries, .least = 1,
         .most = 262144},
        {"mac", ONVM_TEXT, .text = &parameters->mac},
        {0},
    };

    return onvm_read_parameters(configuration, known, failure);
}

static bool
open_translations(struct nat *nat, const struct parameters *parameters,
                  const struct nat *before, struct onvm_failure *failure)
{
    struct timeouts timeouts;

    if (!read_timeouts(parameters->timeouts, &timeouts, failure))
        return false;
    if (!translations_open(&nat->translations, (uint32_t)parameters->max_entries,
                           parameters->public, parameters->publics, parameters->low,
                           parameters->high))
        return onvm_fail(failure, "no memory for max_entries: %u; choose fewer",
                         (unsigned)parameters->max_entries);
    nat->translations.timeouts = timeouts;
    translations_migrate(&nat->translations, &before->translations);
    return true;
}

bool
configuration_apply(struct nat *nat, json_t *configuration, struct onvm_failure *failure)
{
    struct parameters parameters = {.ports = "1024-65535", .max_entries = 65536, .shares = 1,
                                    .replica = 1};
    struct nat next = *nat;

    if (!read_parameters(&parameters, configuration, failure) ||
        !read_inside(&next, parameters.inside, failure) ||
        !read_addresses(&parameters, &next, failure) || !read_ports(&parameters, failure) ||
        !take_share(&parameters, failure) ||
        !set_macs(&next, &parameters, failure) ||
        !open_translations(&next, &parameters, nat, failure))
        return false;
    translations_close(&nat->translations);
    *nat = next;
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "rule.h"

#include <stdlib.h>
#include <string.h>

#include "nf/packet.h"
#include "nf/parameters.h"

#define KEY_MAX 64

/* The values of a rule as the user wrote them; NULL where a key is missing. */
struct rule_text {
    const char *source, *destination, *verdict, *to;
    json_t *protocol, *source_ports, *destination_ports;
};

bool
verdict_read(const char *text, const char *key, uint8_t *verdict, uint8_t *argument,
             struct onvm_failure *failure)
{
    if (strcmp(text, "accept") == 0) {
        *verdict = ONVM_VERDICT_NEXT;
        *argument = 0;
        return true;
    }
    if (strcmp(text, "drop") == 0) {
        *verdict = ONVM_VERDICT_DROP;
        *argument = ONVM_DROP_nf_policy;
        return true;
    }
    return onvm_fail(failure, "%s must be accept or drop, not %s", key, text);
}

static bool
read_protocol(const json_t *value, const char *key, uint16_t *protocol,
              struct onvm_failure *failure)
{
    static const struct {
        const char *name;
        uint16_t number;
    } known[] = {{"tcp", ONVM_PROTOCOL_TCP},   {"udp", ONVM_PROTOCOL_UDP},
                 {"icmp", ONVM_PROTOCOL_ICMP}, {"icmpv6", ONVM_PROTOCOL_ICMPV6},
                 {"sctp", ONVM_PROTOCOL_SCTP}};
    json_int_t number = json_integer_value(value);

    for (size_t i = 0; json_is_string(value) && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(json_string_value(value), known[i].name) == 0) {
            *protocol = known[i].number;
            return true;
        }
    *protocol = (uint16_t)number;
    return (json_is_integer(value) && number >= 0 && number < ANY_PROTOCOL) ||
           onvm_fail(failure, "%s must be tcp, udp, icmp, icmpv6, sctp or a number to 255", key);
}

/* Reads "LOW-HIGH" in decimal digits. */
static bool
read_range_text(const char *text, long *low, long *high)
{
    size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits + 1;

    if (digits == 0 || digits > 5 || text[digits] != '-' || strlen(rest) > 5 || !*rest ||
        strspn(rest, "0123456789") != strlen(rest))
        return false;
    *low = strtol(text, NULL, 10);
    *high = strtol(rest, NULL, 10);
    return true;
}

static bool
read_ports(const json_t *value, const char *key, struct port_range *range,
           struct onvm_failure *failure)
{
    long low = json_integer_value(value), high = low;
    bool well = json_is_integer(value) ||
                (json_is_string(value) && read_range_text(json_string_value(value), &low, &high));

    if (!well || low < 0 || low > high || high > 65535)
        return onvm_fail(failure, "%s must be a port or a range such as 1024-65535", key);
    range->low = (uint16_t)low;
    range->high = (uint16_t)high;
    range->any = false;
    return true;
}

/* Reads the verdict: a word, or the service that the packet branches to. */
static bool
read_verdict(json_t *configuration, const struct rule_text *text, const char *where,
             struct rule *rule, struct onvm_failure *failure)
{
    char key[KEY_MAX];

    if (!text->verdict == !text->to)
        return onvm_fail(failure, "%s must have either a verdict or a service in `to`", where);
    if (text->to) {
        rule->verdict = ONVM_VERDICT_TO;
        return onvm_read_branch(configuration, text->to, &rule->argument, failure);
    }
    snprintf(key, sizeof(key), "%s.verdict", where);
    return verdict_read(text->verdict, key, &rule->verdict, &rule->argument, failure);
}

static bool
read_address(const char *text, const char *where, const char *name, struct onvm_prefix *prefix,
             struct onvm_failure *failure)
{
    char key[KEY_MAX];

    snprintf(key, sizeof(key), "%s.%s", where, name);
    return !text || onvm_read_prefix(text, key, prefix, failure);
}

static bool
read_addresses(const struct rule_text *text, const char *where, struct rule *rule,
               struct onvm_failure *failure)
{
    if (!read_address(text->source, where, "source", &rule->source, failure) ||
        !read_address(text->destination, where, "destination", &rule->destination, failure))
        return false;
    if (text->source && text->destination && rule->source.version != rule->destination.version)
        return onvm_fail(failure, "%s: source and destination are of different IP versions", where);
    return true;
}

static bool
read_transport(const struct rule_text *text, const char *where, struct rule *rule,
               struct onvm_failure *failure)
{
    char key[KEY_MAX];

    snprintf(key, sizeof(key), "%s.protocol", where);
    if (text->protocol && !read_protocol(text->protocol, key, &rule->protocol, failure))
        return false;
    snprintf(key, sizeof(key), "%s.source_ports", where);
    if (text->source_ports && !read_ports(text->source_ports, key, &rule->source_ports, failure))
        return false;
    snprintf(key, sizeof(key), "%s.destination_ports", where);
    return !text->destination_ports ||
           read_ports(text->destination_ports, key, &rule->destination_ports, failure);
}

bool
rule_read(json_t *configuration, json_t *value, size_t index, struct rule *rule,
          struct onvm_failure *failure)
{
    struct rule_text text = {0};
    const struct onvm_parameter known[] = {
        {"source", ONVM_TEXT, .text = &text.source},
        {"destination", ONVM_TEXT, .text = &text.destination},
        {"protocol", ONVM_ANYTHING, .value = &text.protocol},
        {"source_ports", ONVM_ANYTHING, .value = &text.source_ports},
        {"destination_ports", ONVM_ANYTHING, .value = &text.destination_ports},
        {"verdict", ONVM_TEXT, .text = &text.verdict},
        {"to", ONVM_TEXT, .text = &text.to},
        {0},
    };
    char where[KEY_MAX / 2];

    snprintf(where, sizeof(where), "rules[%zu]", index);
    memset(rule, 0, sizeof(*rule)); /* padding too: rules are compared as bytes */
    rule->protocol = ANY_PROTOCOL;
    rule->source_ports.any = rule->destination_ports.any = true;
    return onvm_read_object(value, where, known, failure) &&
           read_addresses(&text, where, rule, failure) &&
           read_transport(&text, where, rule, failure) &&
           read_verdict(configuration, &text, where, rule, failure);
}

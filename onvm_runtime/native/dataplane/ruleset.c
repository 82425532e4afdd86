/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the rules of a plan request: JSON in, an indexed struct ruleset out. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ether.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "rules.h"

struct reader {
    struct rule *rule;
    uint32_t index; /* of the rule in the request */
    const char *key;
    uint8_t (*port_id)(const void *context, const char *name);
    const void *context;
    struct failure *failure;
};

#define WRONG(reader, format, ...)                                                   \
    fail((reader)->failure, "rules[%u].%s: " format, (reader)->index, (reader)->key, \
         ##__VA_ARGS__)

static bool
require(struct reader *reader, size_t offset, const void *value, const void *mask, size_t size)
{
    if (!rule_require(reader->rule, offset, value, mask, size))
        return WRONG(reader, "contradicts another key of the rule; nothing could match both");
    return true;
}

static bool
require_byte(struct reader *reader, size_t offset, uint8_t value, uint8_t mask)
{
    return require(reader, offset, &value, &mask, 1);
}

static bool
require_word(struct reader *reader, size_t offset, uint16_t value)
{
    return require(reader, offset, &value, &(uint16_t){0xffff}, sizeof(value));
}

static bool
read_integer(struct reader *reader, const json_t *value, json_int_t low, json_int_t high,
             json_int_t *result)
{
    *result = json_integer_value(value);
    if (!json_is_integer(value) || *result < low || *result > high)
        return WRONG(reader, "must be a whole number from %lld to %lld", (long long)low,
                     (long long)high);
    return true;
}

static const char *
read_text(struct reader *reader, const json_t *value)
{
    if (!json_is_string(value))
        WRONG(reader, "must be a text");
    return json_string_value(value);
}

static bool
read_port(struct reader *reader, const json_t *value)
{
    const char *name = read_text(reader, value);
    uint8_t id;

    if (name == NULL)
        return false;
    id = reader->port_id(reader->context, name);
    if (id >= ONVM_MAX_PORTS)
        return WRONG(reader, "there is no port \"%s\"", name);
    return require_byte(reader, offsetof(struct frame_fields, flow.port), id, 0xff);
}

static bool
read_vlan(struct reader *reader, const json_t *value)
{
    json_int_t vlan;

    return read_integer(reader, value, 0, 4094, &vlan) &&
           require_word(reader, offsetof(struct frame_fields, flow.vlan[0]), (uint16_t)vlan);
}

static bool
read_ethertype(struct reader *reader, const json_t *value)
{
    json_int_t type;

    return read_integer(reader, value, ETH_P_802_3_MIN, 0xffff, &type) &&
           require_word(reader, offsetof(struct frame_fields, ethertype), (uint16_t)type);
}

static bool
read_mac(struct reader *reader, const json_t *value, size_t offset)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const char *text = read_text(reader, value);
    struct ether_addr address;

    if (text == NULL)
        return false;
    if (ether_aton_r(text, &address) == NULL)
        return WRONG(reader, "\"%s\" is no MAC address", text);
    return require(reader, offset, &address, all, sizeof(all));
}

static bool
read_source_mac(struct reader *reader, const json_t *value)
{
    return read_mac(reader, value, offsetof(struct frame_fields, source_mac));
}

static bool
read_destination_mac(struct reader *reader, const json_t *value)
{
    return read_mac(reader, value, offsetof(struct frame_fields, destination_mac));
}

/* The mask of the first `length` bits; false: the address has bits behind them. */
static bool
prefix_mask(const uint8_t *address, unsigned size, unsigned length, uint8_t *mask)
{
    for (unsigned i = 0; i < size; i++) {
        unsigned bits = length > i * 8 ? length - i * 8 : 0;

        mask[i] = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
        if ((address[i] & ~mask[i]) != 0)
            return false;
    }
    return true;
}

/* Splits "address/length"; a missing length is `full`. */
static bool
split_prefix(const char *text, char *address, size_t room, unsigned full, unsigned *length)
{
    size_t bytes = strcspn(text, "/");
    const char *slash = text + bytes;
    char *end;
    unsigned long value;

    *length = full;
    if (bytes >= room)
        return false;
    memcpy(address, text, bytes);
    address[bytes] = '\0';
    if (*slash == '\0')
        return true;
    value = strtoul(slash + 1, &end, 10);
    *length = (unsigned)value;
    return slash[1] >= '0' && slash[1] <= '9' && *end == '\0' && value <= full;
}

static bool
read_prefix(struct reader *reader, const json_t *value, size_t offset)
{
    const char *text = read_text(reader, value);
    uint8_t bytes[16] = {0}, mask[16] = {0};
    char address[INET6_ADDRSTRLEN];
    bool six = text != NULL && strchr(text, ':') != NULL;
    unsigned size = six ? 16 : 4, length;

    if (text == NULL)
        return false;
    if (!split_prefix(text, address, sizeof(address), size * 8, &length) ||
        inet_pton(six ? AF_INET6 : AF_INET, address, bytes) != 1)
        return WRONG(reader, "\"%s\" is no IPv4 or IPv6 prefix", text);
    if (!prefix_mask(bytes, size, length, mask))
        return WRONG(reader, "\"%s\" has bits behind its prefix length", text);
    return require_byte(reader, offsetof(struct frame_fields, flow.family),
                        six ? FLOW_IPV6 : FLOW_IPV4, 0xff) &&
           require(reader, offset, bytes, mask, size);
}

static bool
read_source(struct reader *reader, const json_t *value)
{
    return read_prefix(reader, value, offsetof(struct frame_fields, flow.source));
}

static bool
read_destination(struct reader *reader, const json_t *value)
{
    return read_prefix(reader, value, offsetof(struct frame_fields, flow.destination));
}

static bool
read_protocol(struct reader *reader, const json_t *value)
{
    json_int_t protocol;

    return read_integer(reader, value, 0, 255, &protocol) &&
           require_byte(reader, offsetof(struct frame_fields, flow.family), FLOW_IP, FLOW_IP) &&
           require_byte(reader, offsetof(struct frame_fields, flow.protocol), (uint8_t)protocol,
                        0xff);
}

static bool
read_range(struct reader *reader, const json_t *value, struct port_range *range)
{
    json_int_t low, high;

    if (!json_is_array(value) || json_array_size(value) != 2)
        return WRONG(reader, "must be [lowest, highest]");
    if (!read_integer(reader, json_array_get(value, 0), 0, UINT16_MAX, &low) ||
        !read_integer(reader, json_array_get(value, 1), 0, UINT16_MAX, &high))
        return false;
    if (low > high)
        return WRONG(reader, "the lowest port is above the highest");
    *range = (struct port_range){(uint16_t)low, (uint16_t)high};
    return require_byte(reader, offsetof(struct frame_fields, flow.has_ports), 1, 1);
}

static bool
read_source_ports(struct reader *reader, const json_t *value)
{
    return read_range(reader, value, &reader->rule->source_ports);
}

static bool
read_destination_ports(struct reader *reader, const json_t *value)
{
    return read_range(reader, value, &reader->rule->destination_ports);
}

static bool
read_chain(struct reader *reader, const json_t *value)
{
    json_int_t chain;

    if (!read_integer(reader, value, 1, ONVM_MAX_CHAINS - 1, &chain))
        return false;
    reader->rule->chain = (uint16_t)chain;
    return true;
}

static bool
read_priority(struct reader *reader, const json_t *value)
{
    json_int_t priority;

    if (!read_integer(reader, value, INT32_MIN, INT32_MAX, &priority))
        return false;
    reader->rule->priority = (int32_t)priority;
    return true;
}

static const struct rule_key {
    const char *name;
    bool (*read)(struct reader *reader, const json_t *value);
} keys[] = {
    {"chain", read_chain},
    {"priority", read_priority},
    {"port", read_port},
    {"vlan", read_vlan},
    {"ethertype", read_ethertype},
    {"src_mac", read_source_mac},
    {"dst_mac", read_destination_mac},
    {"src", read_source},
    {"dst", read_destination},
    {"protocol", read_protocol},
    {"src_ports", read_source_ports},
    {"dst_ports", read_destination_ports},
};

static const struct rule_key *
key_find(const char *name)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool
read_rule(struct reader *reader, json_t *object)
{
    const char *name;
    json_t *value;

    reader->key = "chain";
    if (!json_is_object(object) || json_object_get(object, "chain") == NULL)
        return WRONG(reader, "every rule must name its chain");
    json_object_foreach (object, name, value) {
        const struct rule_key *key = key_find(name);

        reader->key = name;
        if (key == NULL)
            return WRONG(reader, "there is no such key");
        if (!key->read(reader, value))
            return false;
    }
    return true;
}

static bool
read_rules(struct ruleset *ruleset, json_t *list, struct reader *reader)
{
    if (!json_is_array(list))
        return fail(reader->failure, "rules: must be a list");
    ruleset->rule = calloc(json_array_size(list) + 1, sizeof(struct rule));
    if (ruleset->rule == NULL)
        return fail(reader->failure, "no memory for %zu rules", json_array_size(list));
    for (; ruleset->count < json_array_size(list); ruleset->count++) {
        reader->index = ruleset->count;
        reader->rule = &ruleset->rule[ruleset->count];
        *reader->rule = rule_any(0, 0, ruleset->count);
        if (!read_rule(reader, json_array_get(list, ruleset->count)))
            return false;
    }
    return true;
}

static bool
read_default(struct ruleset *ruleset, const json_t *value, struct failure *failure)
{
    json_int_t chain = json_integer_value(value);

    if (value == NULL)
        return true;
    if (!json_is_integer(value) || chain < 1 || chain >= ONVM_MAX_CHAINS)
        return fail(failure, "default_chain: must be a chain's id, from 1 to %d",
                    ONVM_MAX_CHAINS - 1);
    ruleset->default_chain = (uint16_t)chain;
    return true;
}

static bool
index_rules(struct ruleset *ruleset, struct failure *failure)
{
    return rules_index(ruleset) ||
           fail(failure, "no memory to index %u rules", ruleset->count);
}

struct ruleset *
ruleset_parse(json_t *plan, uint8_t (*port_id)(const void *context, const char *name),
              const void *context, struct failure *failure)
{
    struct reader reader = {.port_id = port_id, .context = context, .failure = failure};
    struct ruleset *ruleset = calloc(1, sizeof(*ruleset));

    if (ruleset == NULL) {
        fail(failure, "no memory for a set of rules");
        return NULL;
    }
    if (read_rules(ruleset, json_object_get(plan, "rules"), &reader) &&
        read_default(ruleset, json_object_get(plan, "default_chain"), failure) &&
        index_rules(ruleset, failure))
        return ruleset;
    ruleset_free(ruleset);
    return NULL;
}

void
ruleset_set_lineage(struct ruleset *ruleset, uint16_t lineage, uint16_t id)
{
    ruleset->chain_of[lineage] = id;
}

void
ruleset_free(struct ruleset *ruleset)
{
    if (ruleset == NULL)
        return;
    rules_release(ruleset);
    free(ruleset->rule);
    free(ruleset);
}

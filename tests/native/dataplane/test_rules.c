/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules as plans have them, frames in, chains out. */
#include <jansson.h>

#include "dataplane/classifier.h"
#include "dataplane/rules.h"
#include "frames.h"
#include "random_rules.h"

#define TCP4 MACS IPV4("0028", "0000", "06") TCP
#define UDP4_VLAN5 MACS VLAN5 IPV4("001c", "0000", "11") UDP("0008")
#define FRAGMENT4 MACS IPV4("0028", "2000", "06") TCP
#define ECHO4 MACS IPV4("001c", "0000", "01") "0800 0000 1234 0001"
#define TCP6 MACS IPV6("0014", "06") TCP
#define ARP MACS "0806 0001 0800 0604 0001"

/* A single rule for chain 1 and what it says of a frame that came by port 3, "client". */
static const struct {
    const char *rule, *frame;
    bool matches;
} matches[] = {
    {"", TCP4, true},
    {"", ARP, true},
    {"'port': 'client'", TCP4, true},
    {"'port': 'server'", TCP4, false},
    {"'vlan': 5", UDP4_VLAN5, true},
    {"'vlan': 6", UDP4_VLAN5, false},
    {"'vlan': 5", TCP4, false},
    {"'vlan': 0", TCP4, true},
    {"'vlan': 0", UDP4_VLAN5, false},
    {"'ethertype': 2054", ARP, true},
    {"'ethertype': 2054", TCP4, false},
    {"'ethertype': 2048", UDP4_VLAN5, true},
    {"'src_mac': '02:00:00:00:00:01'", TCP4, true},
    {"'src_mac': '02:00:00:00:00:02'", TCP4, false},
    {"'dst_mac': '02:00:00:00:00:02'", ARP, true},
    {"'dst_mac': '02:00:00:00:00:01'", ARP, false},
    {"'src': '198.18.0.0/24'", TCP4, true},
    {"'src': '198.18.0.1'", TCP4, true},
    {"'src': '198.18.0.2/31'", TCP4, false},
    {"'src': '198.18.0.0/31'", TCP4, true},
    {"'dst': '198.18.0.2/31'", TCP4, true},
    {"'dst': '198.19.0.0/16'", TCP4, false},
    {"'dst': '0.0.0.0/0'", TCP4, true},
    {"'dst': '0.0.0.0/0'", TCP6, false},
    {"'dst': '0.0.0.0/0'", ARP, false},
    {"'src': '2001:db8::/32'", TCP6, true},
    {"'src': '2001:db8::1/128', 'dst': '2001:db8::2'", TCP6, true},
    {"'src': '2001:db8::/127'", TCP6, true},
    {"'src': '2001:db8::2/127'", TCP6, false},
    {"'dst': '::/0'", TCP6, true},
    {"'dst': '::/0'", TCP4, false},
    {"'protocol': 6", TCP4, true},
    {"'protocol': 6", TCP6, true},
    {"'protocol': 17", TCP4, false},
    {"'protocol': 0", ARP, false},
    {"'protocol': 6", FRAGMENT4, true},
    {"'src_ports': [1000, 1000]", TCP4, true},
    {"'src_ports': [1001, 65535]", TCP4, false},
    {"'dst_ports': [0, 79]", TCP4, false},
    {"'dst_ports': [80, 443]", UDP4_VLAN5, true},
    {"'dst_ports': [0, 65535]", FRAGMENT4, false},
    {"'dst_ports': [0, 65535]", ECHO4, false},
    {"'dst_ports': [0, 65535]", ARP, false},
    {"'port': 'client', 'src': '198.18.0.0/15', 'protocol': 6, 'dst_ports': [80, 80]", TCP4, true},
    {"'port': 'client', 'src': '198.18.0.0/15', 'protocol': 6, 'dst_ports': [81, 81]", TCP4, false},
};

/* Whole plans, and the chain of the frame TCP4; 0: none. */
static const struct {
    const char *plan;
    unsigned chain;
} plans[] = {
    {"{'rules': []}", 0},
    {"{'rules': [], 'default_chain': 9}", 9},
    {"{'rules': [{'chain': 1, 'priority': 0, 'protocol': 17}], 'default_chain': 9}", 9},
    {"{'rules': [{'chain': 1, 'priority': 0}], 'default_chain': 9}", 1},
    {"{'rules': [{'chain': 1, 'priority': 0}, {'chain': 2, 'priority': 0}]}", 1},
    {"{'rules': [{'chain': 1, 'priority': -5}, {'chain': 2, 'priority': 0}]}", 2},
    {"{'rules': [{'chain': 1, 'priority': 1}, {'chain': 2, 'priority': 9, 'protocol': 17},"
     "           {'chain': 3, 'priority': 5, 'protocol': 6}]}", 3},
};

/* Requests that are refused, and a part of the sentence that says why. */
static const struct {
    const char *plan, *reason;
} refusals[] = {
    {"{}", "rules: must be a list"},
    {"{'rules': [], 'default_chain': 1024}", "default_chain: must be a chain's id"},
    {"{'rules': [], 'default_chain': 'web'}", "default_chain: must be"},
    {"{'rules': [7]}", "rules[0].chain: every rule must name its chain"},
    {"{'rules': [{'priority': 1}]}", "rules[0].chain: every rule must name its chain"},
    {"{'rules': [{'chain': 1}, {'chain': 0}]}", "rules[1].chain: must be a whole number from 1"},
    {"{'rules': [{'chain': 1, 'tos': 5}]}", "rules[0].tos: there is no such key"},
    {"{'rules': [{'chain': 1, 'priority': 1.5}]}", "rules[0].priority: must be a whole number"},
    {"{'rules': [{'chain': 1, 'port': 'cellar'}]}", "there is no port \"cellar\""},
    {"{'rules': [{'chain': 1, 'port': 3}]}", "rules[0].port: must be a text"},
    {"{'rules': [{'chain': 1, 'vlan': 4095}]}", "rules[0].vlan: must be a whole number from 0"},
    {"{'rules': [{'chain': 1, 'ethertype': 100}]}", "rules[0].ethertype: must be"},
    {"{'rules': [{'chain': 1, 'src_mac': '02:00'}]}", "\"02:00\" is no MAC address"},
    {"{'rules': [{'chain': 1, 'src': '198.18.0.1/24'}]}", "has bits behind its prefix length"},
    {"{'rules': [{'chain': 1, 'src': '198.18.0.0/33'}]}", "is no IPv4 or IPv6 prefix"},
    {"{'rules': [{'chain': 1, 'src': '198.18.0.0/'}]}", "is no IPv4 or IPv6 prefix"},
    {"{'rules': [{'chain': 1, 'src': '198.18.0.0/-1'}]}", "is no IPv4 or IPv6 prefix"},
    {"{'rules': [{'chain': 1, 'dst': 'example.org'}]}", "is no IPv4 or IPv6 prefix"},
    {"{'rules': [{'chain': 1, 'dst': '2001:db8::/129'}]}", "is no IPv4 or IPv6 prefix"},
    {"{'rules': [{'chain': 1, 'src': '198.18.0.0/15', 'dst': '2001:db8::/32'}]}",
     "rules[0].dst: contradicts another key"},
    {"{'rules': [{'chain': 1, 'protocol': 256}]}", "rules[0].protocol: must be"},
    {"{'rules': [{'chain': 1, 'dst_ports': 80}]}", "must be [lowest, highest]"},
    {"{'rules': [{'chain': 1, 'dst_ports': [80]}]}", "must be [lowest, highest]"},
    {"{'rules': [{'chain': 1, 'dst_ports': [80, 79]}]}", "the lowest port is above the highest"},
    {"{'rules': [{'chain': 1, 'dst_ports': [0, 65536]}]}", "must be a whole number from 0 to"},
};

static uint8_t
port_id(const void *context, const char *name)
{
    (void)context;
    if (strcmp(name, "client") == 0)
        return 3;
    return strcmp(name, "server") == 0 ? 4 : ONVM_MAX_PORTS;
}

/* JSON with ' for ", which C likes better. */
static struct ruleset *
parse(const char *text, struct failure *failure)
{
    char *copy = strdup(text);
    struct ruleset *ruleset;
    json_t *plan;

    for (char *quote = copy; (quote = strchr(quote, '\'')) != NULL;)
        *quote = '"';
    plan = json_loads(copy, 0, NULL);
    REQUIRE(plan != NULL, "not JSON: %s", text);
    ruleset = ruleset_parse(plan, port_id, NULL, failure);
    json_decref(plan);
    free(copy);
    return ruleset;
}

static unsigned
chain_of(const struct ruleset *ruleset, const char *hex)
{
    struct frame_fields fields;
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);

    REQUIRE(frame_parse(frame, length, length, 3, &fields), "malformed: %s", hex);
    free(frame);
    return rules_lookup(ruleset, &fields);
}

static void
check_match(const char *rule, const char *frame, bool expected)
{
    struct failure failure = {""};
    char plan[512];
    struct ruleset *ruleset;

    snprintf(plan, sizeof(plan), "{'rules': [{'chain': 1, 'priority': 0%s%s}]}",
             *rule != '\0' ? ", " : "", rule);
    ruleset = parse(plan, &failure);
    if (CHECK(ruleset != NULL, "{%s}: %s", rule, failure.text))
        CHECK((chain_of(ruleset, frame) == 1) == expected, "{%s} and %s", rule, frame);
    ruleset_free(ruleset);
}

static void
check_plan(const char *plan, unsigned expected)
{
    struct failure failure = {""};
    struct ruleset *ruleset = parse(plan, &failure);

    if (CHECK(ruleset != NULL, "%s: %s", plan, failure.text))
        CHECK(chain_of(ruleset, TCP4) == expected, "%s: chain %u", plan, chain_of(ruleset, TCP4));
    ruleset_free(ruleset);
}

static void
check_refusal(const char *plan, const char *reason)
{
    struct failure failure = {""};
    struct ruleset *ruleset = parse(plan, &failure);

    CHECK(ruleset == NULL, "accepted: %s", plan);
    CHECK(strstr(failure.text, reason) != NULL, "%s: \"%s\"", plan, failure.text);
    ruleset_free(ruleset);
}

/* As rules.h says it, and nothing else: every rule is tried. */
static uint16_t
slow_lookup(const struct rule *rules, uint32_t count, const struct frame_fields *fields)
{
    const uint8_t *bytes = (const uint8_t *)fields;
    const struct flow_key *flow = &fields->flow;
    const struct rule *best = NULL;

    for (const struct rule *rule = rules; rule < rules + count; rule++) {
        const uint8_t *mask = (const uint8_t *)rule->mask, *value = (const uint8_t *)rule->value;
        bool matches = flow->source_port >= rule->source_ports.low &&
                       flow->source_port <= rule->source_ports.high &&
                       flow->destination_port >= rule->destination_ports.low &&
                       flow->destination_port <= rule->destination_ports.high;

        for (size_t i = 0; i < sizeof(*fields); i++)
            matches = matches && (bytes[i] & mask[i]) == value[i];
        if (matches && (best == NULL || rule->priority > best->priority))
            best = rule;
    }
    return best != NULL ? best->chain : 0;
}

static void
check_random_rules(uint32_t count, uint32_t variety, uint64_t seed)
{
    struct ruleset *ruleset = random_ruleset(&seed, count, variety);
    struct rule *rules = calloc(count + 1, sizeof(*rules));
    uint32_t found = 0;

    memcpy(rules, ruleset->rule, count * sizeof(*rules));
    REQUIRE(rules_index(ruleset), "memory");
    for (uint32_t i = 0; i < 300; i++) {
        struct frame_fields fields = random_flow(&seed, variety);
        uint16_t wanted = slow_lookup(rules, count, &fields);
        uint16_t got = rules_lookup(ruleset, &fields), decided = ruleset->decided[fields.flow.port];

        CHECK(got == wanted, "%u rules, flow %u: chain %u, not %u", count, i, got, wanted);
        CHECK(decided == RULES_UNDECIDED || decided == wanted, "decided for chain %u", decided);
        found += wanted != 0;
    }
    CHECK(count < 100 || found > 30, "only %u flows met a rule", found);
    free(rules);
    ruleset_free(ruleset);
}

/* What all frames of port 3, "client", do. */
static const struct {
    const char *plan;
    unsigned chain;
} decisions[] = {
    {"{'rules': []}", 0},
    {"{'rules': [], 'default_chain': 2}", 2},
    {"{'rules': [{'chain': 1}], 'default_chain': 2}", 1},
    {"{'rules': [{'chain': 1, 'port': 'client'}], 'default_chain': 2}", 1},
    {"{'rules': [{'chain': 1, 'port': 'server'}], 'default_chain': 2}", 2},
    {"{'rules': [{'chain': 1, 'port': 'server', 'vlan': 5}], 'default_chain': 2}", 2},
    {"{'rules': [{'chain': 1, 'vlan': 5}], 'default_chain': 2}", RULES_UNDECIDED},
    {"{'rules': [{'chain': 1, 'vlan': 5}, {'chain': 3, 'port': 'client', 'priority': 1}]}", 3},
    {"{'rules': [{'chain': 1, 'vlan': 5, 'priority': 1}, {'chain': 3, 'port': 'client'}]}",
     RULES_UNDECIDED},
    {"{'rules': [{'chain': 1, 'dst_ports': [0, 65535]}], 'default_chain': 2}", RULES_UNDECIDED},
};

static void
check_decision(const char *plan, unsigned expected)
{
    struct failure failure = {""};
    struct ruleset *ruleset = parse(plan, &failure);

    if (CHECK(ruleset != NULL, "%s: %s", plan, failure.text))
        CHECK(ruleset->decided[3] == expected, "%s: chain %u", plan, ruleset->decided[3]);
    ruleset_free(ruleset);
}

int
main(void)
{
    static const uint32_t counts[] = {0, 1, 2, 10, 100, 1000};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (uint32_t variety = 10; variety <= 10000; variety *= 10)
            check_random_rules(counts[i], variety, i + variety);
    for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
        check_decision(decisions[i].plan, decisions[i].chain);
    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++)
        check_match(matches[i].rule, matches[i].frame, matches[i].matches);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
        check_plan(plans[i].plan, plans[i].chain);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        check_refusal(refusals[i].plan, refusals[i].reason);
    return check_result();
}

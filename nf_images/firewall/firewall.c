/* SPDX-License-Identifier: BSD-3-Clause */
/* firewall: the first rule that matches a packet decides; packets are counted by rule. */
#include <stdlib.h>
#include <string.h>

#include "nf/packet.h"
#include "nf/parameters.h"
#include "rule_set.h"

struct verdict {
    uint8_t verdict, argument;
};

struct count {
    uint64_t packets, bytes;
};

/* What one configuration makes; replaced as a whole. */
struct policy {
    uint32_t count;
    struct rule *rules;
    struct count *counts; /* by rule */
    bool *given;          /* by rule: its count went on to the next policy */
    json_t *texts;        /* the rules as the user wrote them */
    struct rule_set *set;
    struct verdict otherwise; /* for IP packets that no rule matches */
    struct verdict non_ip;
};

struct firewall {
    struct policy policy;
    struct count otherwise, non_ip, malformed;
};

static void
policy_close(struct policy *policy)
{
    free(policy->rules);
    free(policy->counts);
    free(policy->given);
    json_decref(policy->texts);
    rule_set_free(policy->set);
}

static bool
read_rules(struct policy *policy, json_t *configuration, struct onvm_failure *failure)
{
    json_t *text;
    size_t i;

    policy->count = (uint32_t)json_array_size(policy->texts);
    if (policy->count > RULES_MAX)
        return onvm_fail(failure, "rules has %u entries and may have %u", policy->count,
                         RULES_MAX);
    policy->rules = calloc(policy->count + 1, sizeof(*policy->rules));
    policy->counts = calloc(policy->count + 1, sizeof(*policy->counts));
    policy->given = calloc(policy->count + 1, sizeof(*policy->given));
    if (!policy->rules || !policy->counts || !policy->given)
        return onvm_fail(failure, "no memory for %u rules", policy->count);
    json_array_foreach(policy->texts, i, text)
        if (!rule_read(configuration, text, i, &policy->rules[i], failure))
            return false;
    policy->set = rule_set_new(policy->rules, policy->count);
    return policy->set || onvm_fail(failure, "no memory for %u rules", policy->count);
}

static bool
read_policy(struct policy *policy, json_t *configuration, struct onvm_failure *failure)
{
    const char *otherwise = "accept", *non_ip = "accept";
    json_t *rules = NULL;
    const struct onvm_parameter known[] = {
        {"rules", ONVM_LIST, .value = &rules},
        {"default", ONVM_TEXT, .text = &otherwise},
        {"non_ip", ONVM_TEXT, .text = &non_ip},
        {0},
    };

    if (!onvm_read_parameters(configuration, known, failure))
        return false;
    policy->texts = rules ? json_incref(rules) : json_array();
    return verdict_read(otherwise, "default", &policy->otherwise.verdict,
                        &policy->otherwise.argument, failure) &&
           verdict_read(non_ip, "non_ip", &policy->non_ip.verdict, &policy->non_ip.argument,
                        failure) &&
           read_rules(policy, configuration, failure);
}

/* Carries over the counters of rules that both policies have; each old rule gives once. */
static void
keep_counts(struct policy *policy, struct policy *before)
{
    for (uint32_t i = 0; i < policy->count; i++)
        for (uint32_t j = 0; j < before->count; j++) {
            if (before->given[j] ||
                memcmp(&policy->rules[i], &before->rules[j], sizeof(struct rule)) != 0)
                continue;
            policy->counts[i] = before->counts[j];
            before->given[j] = true;
            break;
        }
}

static bool
configure(void *state, json_t *configuration, struct onvm_failure *failure)
{
    struct firewall *firewall = state;
    struct policy policy = {0};

    if (!read_policy(&policy, configuration, failure)) {
        policy_close(&policy);
        return false;
    }
    keep_counts(&policy, &firewall->policy);
    policy_close(&firewall->policy);
    firewall->policy = policy;
    return true;
}

static void
add(struct count *count, uint16_t bytes)
{
    count->packets++;
    count->bytes += bytes;
}

/* The verdict on one packet, counted. */
static struct verdict
judge(struct firewall *firewall, const struct onvm_burst *burst, uint32_t i)
{
    struct policy *policy = &firewall->policy;
    uint16_t length = onvm_packet_length(burst, i);
    struct onvm_headers headers;
    uint32_t rule;

    if (onvm_packet_parse(burst, i, &headers) == ONVM_MALFORMED) {
        add(&firewall->malformed, length);
        return (struct verdict){ONVM_VERDICT_DROP, ONVM_DROP_nf_malformed};
    }
    if (headers.version == 0) {
        add(&firewall->non_ip, length);
        return policy->non_ip;
    }
    rule = rule_set_match(policy->set, burst->data[i], &headers);
    if (rule == NO_RULE) {
        add(&firewall->otherwise, length);
        return policy->otherwise;
    }
    add(&policy->counts[rule], length);
    return (struct verdict){policy->rules[rule].verdict, policy->rules[rule].argument};
}

static void
handle(struct onvm_burst *burst, void *state)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        struct verdict verdict = judge(state, burst, i);

        burst->verdict[i] = verdict.verdict;
        burst->argument[i] = verdict.argument;
    }
}

static json_t *
describe_count(const struct count *count)
{
    return json_pack("{s:I, s:I}", "packets", (json_int_t)count->packets, "bytes",
                     (json_int_t)count->bytes);
}

static json_t *
describe_rules(const struct policy *policy)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < policy->count; i++) {
        const struct count *count = &policy->counts[i];

        json_array_append_new(list,
                              json_pack("{s:O, s:I, s:I}", "rule",
                                        json_array_get(policy->texts, i), "packets",
                                        (json_int_t)count->packets, "bytes",
                                        (json_int_t)count->bytes));
    }
    return list;
}

static json_t *
query(void *state, json_t *request, struct onvm_failure *failure)
{
    const struct firewall *firewall = state;

    if (!onvm_is_query(request, "rules")) {
        onvm_fail(failure, "the firewall answers the query rules only");
        return NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "rules", describe_rules(&firewall->policy), "default",
                     describe_count(&firewall->otherwise), "non_ip",
                     describe_count(&firewall->non_ip), "malformed",
                     describe_count(&firewall->malformed));
}

static void
stop(void *state)
{
    policy_close(&((struct firewall *)state)->policy);
}

ONVM_NF(firewall, "accepts, drops or branches packets by rules",
        .state_size = sizeof(struct firewall),
        .configure = configure,
        .handler = handle,
        .query = query,
        .stop = stop);

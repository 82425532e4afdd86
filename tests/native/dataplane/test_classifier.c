/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules, flow table and return traffic together, on mbufs without an EAL. */
#include <jansson.h>

#include "dataplane/classifier.h"
#include "frames.h"

#define CLIENT 1
#define SERVER 2

#define OUTWARD 1 /* lineages */
#define INWARD 2

#define REQUEST MACS IPV4("0028", "0000", "06") TCP
#define ANSWER MACS "0800" IPV4_BACK("0028", "06") PORTS_BACK \
    "00000001 00000000 5010 ffff 0000 0000"
/* The request and its answer as a NAT with the address 198.18.0.9 shows them. */
#define NAT_REQUEST MACS "0800 4500 0028 0001 0000 40 06 0000 c6120009 c6120002" TCP
#define NAT_ANSWER MACS "0800 4500 0028 0001 0000 40 06 0000 c6120002 c6120009" PORTS_BACK \
    "00000001 00000000 5010 ffff 0000 0000"
#define NAT_ERROR MACS "0800 4500 0038 0001 0000 40 01 0000 c6120063 c6120009" \
    "0b00 0000 00000000 4500 0028 0001 0000 40 06 0000 c6120009 c6120002" PORTS "00000001"

static struct onvm_worker_counters node;

static uint8_t
port_id(const void *context, const char *name)
{
    (void)context;
    return strcmp(name, "client") == 0 ? CLIENT : ONVM_MAX_PORTS;
}

/* A set with one rule, that what comes from the client takes `chain`. */
static struct ruleset *
rules_for(uint16_t chain)
{
    json_t *plan = json_pack("{s: [{s: i, s: i, s: s}]}", "rules", "chain", (int)chain, "priority",
                             0, "port", "client");
    struct failure failure;
    struct ruleset *ruleset = ruleset_parse(plan, port_id, NULL, &failure);

    REQUIRE(ruleset != NULL, "%s", failure.text);
    json_decref(plan);
    return ruleset;
}

static struct classification
classify(struct classifier *classifier, uint8_t port, const char *hex)
{
    struct classification result;
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);
    struct rte_mbuf mbuf = {.buf_addr = frame, .data_len = (uint16_t)length, .pkt_len = length};

    classifier_classify(classifier, port, &(struct rte_mbuf *){&mbuf}, 1, 100, &result);
    free(frame);
    return result;
}

/* Whether the learnt way back is to be told, and what then. */
static bool
learn_at(struct classifier *classifier, uint8_t port, const char *hex, uint32_t flow,
         uint32_t now, struct classifier_news *news)
{
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);
    struct rte_mbuf mbuf = {.buf_addr = frame, .data_len = (uint16_t)length, .pkt_len = length};
    bool tell = classifier_learn_return(classifier, port, &mbuf, INWARD, flow, 0, now, news);

    free(frame);
    return tell;
}

static void
learn(struct classifier *classifier, const char *hex, uint32_t flow)
{
    struct classifier_news news;

    learn_at(classifier, SERVER, hex, flow, 100, &news);
}

static struct classifier *
new_classifier(void)
{
    struct failure failure;
    struct classifier *classifier = classifier_new(1024, &node, &failure);

    memset(&node, 0, sizeof(node));
    REQUIRE(classifier != NULL, "%s", failure.text);
    return classifier;
}

static void
end(struct classifier *classifier)
{
    ruleset_free(classifier_exchange(classifier, NULL));
    classifier_free(classifier);
}

static void
check_drops(void)
{
    struct classifier *classifier = new_classifier();
    struct classification result = classify(classifier, CLIENT, REQUEST);

    CHECK(result.chain == 0 && result.reason == ONVM_DROP_no_chain, "before the first plan");
    ruleset_free(classifier_exchange(classifier, rules_for(5)));
    result = classify(classifier, SERVER, REQUEST);
    CHECK(result.chain == 0 && result.reason == ONVM_DROP_no_chain, "no rule for that port");
    result = classify(classifier, CLIENT, MACS "0800 45");
    CHECK(result.chain == 0 && result.reason == ONVM_DROP_malformed, "half a header");
    CHECK(node.flow_misses == 0 && node.flow_hits == 0 && node.flows == 0,
          "%lu misses, %lu hits, %lu flows: no look-up was needed", node.flow_misses,
          node.flow_hits, node.flows);
    end(classifier);
}

/* Where nothing of a frame can change its way, it is looked at only for its hash. */
static void
check_needs(void)
{
    struct classifier *classifier = new_classifier();
    struct ruleset *ruleset = rules_for(5);
    enum flow_need need[ONVM_MAX_CHAINS] = {[5] = FLOW_STATE};
    struct classifier_news news;
    uint32_t flow;

    ruleset_set_lineage(ruleset, INWARD, 6);
    classifier_set_needs(classifier, need);
    ruleset_free(classifier_exchange(classifier, ruleset));
    flow = classify(classifier, CLIENT, REQUEST).flow;
    CHECK(node.flow_misses == 1, "its flows have state");
    need[5] = FLOW_HASH;
    classifier_set_needs(classifier, need);
    CHECK(classify(classifier, CLIENT, REQUEST).flow == flow, "the hash is what it was");
    CHECK(classify(classifier, CLIENT, MACS "0800 45").reason == ONVM_DROP_malformed, "parsed");
    need[5] = FLOW_NOTHING;
    classifier_set_needs(classifier, need);
    CHECK(classify(classifier, CLIENT, REQUEST).flow == 0, "no hash");
    CHECK(classify(classifier, CLIENT, MACS "0800 45").chain == 5, "not looked at");
    CHECK(node.flow_misses == 1 && node.flow_hits == 0, "none of that was a look-up");
    learn_at(classifier, CLIENT, ANSWER, 77, 100, &news);
    CHECK(classify(classifier, CLIENT, REQUEST).chain == 6, "it is a flow that returns");
    CHECK(classify(classifier, CLIENT, NAT_REQUEST).chain == 5, "it is not");
    end(classifier);
}

/* One rule asks for a MAC address, so flows have entries for each pair of them. */
static void
check_macs_in_rules(void)
{
    struct classifier *classifier = new_classifier();
    json_t *plan = json_pack("{s: [{s: i, s: s}], s: i}", "rules", "chain", 3, "src_mac",
                             "02:00:00:00:00:01", "default_chain", 4);
    struct failure failure;

    ruleset_free(classifier_exchange(classifier, ruleset_parse(plan, port_id, NULL, &failure)));
    for (unsigned i = 0; i < 2; i++) {
        CHECK(classify(classifier, CLIENT, REQUEST).chain == 3, "its MAC address");
        CHECK(classify(classifier, CLIENT, "020000000002 020000000009" IPV4("0028", "0000", "06")
                       TCP).chain == 4, "another MAC address, the same flow");
    }
    CHECK(node.flow_hits == 0, "each took the entry over");
    CHECK(classify(classifier, CLIENT, "020000000002 020000000009" IPV4("0028", "0000", "06")
                   TCP).chain == 4 && node.flow_hits == 1, "the same again is a hit");
    json_decref(plan);
    end(classifier);
}

/* What the common and the slow way of parsing make of packets must be one flow. */
static void
check_runs_and_mixtures(void)
{
    static const char *const frames[] = {
        REQUEST, REQUEST, MACS "0800 45", MACS VLAN5 IPV4("0028", "0000", "06") TCP, ANSWER,
        MACS IPV6("0014", "06") TCP, REQUEST, MACS IPV6("0014", "06") TCP, MACS "0806 0001"};
    enum { COUNT = sizeof(frames) / sizeof(frames[0]) };
    struct classifier *classifier = new_classifier();
    struct classification result[COUNT];
    struct rte_mbuf mbuf[COUNT], *burst[COUNT];

    classifier_set_needs(classifier, (enum flow_need[ONVM_MAX_CHAINS]){[5] = FLOW_STATE});
    ruleset_free(classifier_exchange(classifier, rules_for(5)));
    for (unsigned i = 0; i < COUNT; i++) {
        uint32_t length;

        mbuf[i] = (struct rte_mbuf){.buf_addr = frame_read(frames[i], &length)};
        mbuf[i].data_len = (uint16_t)length;
        mbuf[i].pkt_len = length;
        burst[i] = &mbuf[i];
    }
    for (unsigned turn = 0; turn < 2; turn++)
        classifier_classify(classifier, CLIENT, burst, COUNT, 100, result);
    for (unsigned i = 0; i < COUNT; i++) {
        bool good = i != 2;

        CHECK(result[i].chain == (good ? 5 : 0), "frame %u", i);
        CHECK(result[i].flow == classify(classifier, CLIENT, frames[i]).flow, "frame %u", i);
        free(mbuf[i].buf_addr);
    }
    CHECK(node.flows == 5, "%lu flows", node.flows);
    CHECK(node.flow_misses == 5, "%lu misses", node.flow_misses);
    CHECK(result[0].flow == result[4].flow, "an answer has the hash of its request");
    end(classifier);
}

static void
check_rules_and_their_change(void)
{
    struct classifier *classifier = new_classifier();
    struct classification first, again;

    classifier_set_needs(classifier, (enum flow_need[ONVM_MAX_CHAINS]){[5] = FLOW_STATE});
    ruleset_free(classifier_exchange(classifier, rules_for(5)));
    first = classify(classifier, CLIENT, REQUEST);
    again = classify(classifier, CLIENT, REQUEST);
    CHECK(first.chain == 5 && again.chain == 5 && first.flow == again.flow, "by rule, by table");
    CHECK(node.flow_hits == 1, "%lu hits", node.flow_hits);
    ruleset_free(classifier_exchange(classifier, rules_for(6)));
    again = classify(classifier, CLIENT, REQUEST);
    CHECK(again.chain == 6 && again.flow == first.flow, "the new rules count at once");
    end(classifier);
}

/* What a bidirectional chain needs, with a NAT in it. */
static void
check_return_traffic(void)
{
    struct classifier *classifier = new_classifier();
    struct ruleset *ruleset = rules_for(5);
    struct classification forward, backward;

    ruleset_set_lineage(ruleset, OUTWARD, 5);
    ruleset_set_lineage(ruleset, INWARD, 6);
    ruleset_free(classifier_exchange(classifier, ruleset));
    forward = classify(classifier, CLIENT, REQUEST);
    CHECK(classify(classifier, SERVER, NAT_ANSWER).chain == 0, "nothing was learnt yet");
    learn(classifier, NAT_REQUEST, forward.flow);
    backward = classify(classifier, SERVER, NAT_ANSWER);
    CHECK(backward.chain == 6, "the reverse chain, not %u", backward.chain);
    CHECK(backward.flow == forward.flow, "through the same instances");
    backward = classify(classifier, SERVER, NAT_ERROR);
    CHECK(backward.chain == 6 && backward.flow == forward.flow, "so does an error from a router");
    CHECK(classify(classifier, SERVER, ANSWER).chain == 0, "another address is another flow");
    CHECK(classify(classifier, CLIENT, NAT_ANSWER).chain == 5, "another port is another flow");
    end(classifier);
}

static void
check_return_traffic_over_changes(void)
{
    struct classifier *classifier = new_classifier();
    struct ruleset *ruleset = rules_for(5);

    ruleset_set_lineage(ruleset, INWARD, 6);
    ruleset_free(classifier_exchange(classifier, ruleset));
    learn(classifier, REQUEST, 77);
    ruleset = rules_for(7);
    ruleset_set_lineage(ruleset, INWARD, 8);
    ruleset_free(classifier_exchange(classifier, ruleset));
    CHECK(classify(classifier, SERVER, ANSWER).chain == 8, "the lineage's new chain");
    CHECK(classify(classifier, SERVER, ANSWER).flow == 77, "and the same instances");
    ruleset_free(classifier_exchange(classifier, rules_for(7)));
    CHECK(classify(classifier, SERVER, ANSWER).chain == 0, "the lineage ended");
    classifier_clear(classifier);
    CHECK(node.flows == 0, "%lu flows are left", node.flows);
    end(classifier);
}

/* What leaves by one worker may come back by another. */
static void
check_news(void)
{
    struct classifier *here = new_classifier(), *there = new_classifier();
    struct ruleset *ruleset = rules_for(5);
    struct classifier_news news;
    struct classification back;

    classifier_hash_like(there, here);
    ruleset_set_lineage(ruleset, INWARD, 6);
    ruleset_free(classifier_exchange(here, ruleset));
    classifier_exchange(there, ruleset);
    CHECK(classify(here, CLIENT, REQUEST).flow == classify(there, CLIENT, REQUEST).flow,
          "all workers hash alike");
    CHECK(learn_at(here, SERVER, NAT_REQUEST, 77, 100, &news), "what is new is told");
    classifier_hear(there, &news, 100);
    back = classify(there, SERVER, NAT_ANSWER);
    CHECK(back.chain == 6 && back.flow == 77, "chain %u, flow %u", back.chain, back.flow);
    CHECK(!learn_at(here, SERVER, NAT_REQUEST, 77, 100, &news), "what is known is not told again");
    CHECK(learn_at(here, SERVER, NAT_REQUEST, 77, 116, &news), "but after a while it is");
    CHECK(learn_at(here, SERVER, NAT_REQUEST, 78, 116, &news), "and when it has changed");
    classifier_exchange(there, NULL);
    end(there);
    end(here);
}

/* An ICMP error that leaves must not claim the flow that it quotes. */
static void
check_errors_teach_nothing(void)
{
    struct classifier *classifier = new_classifier();

    learn(classifier, NAT_ERROR, 77);
    learn(classifier, MACS "0800 45", 77);
    CHECK(node.flows == 0, "%lu flows were learnt", node.flows);
    end(classifier);
}

int
main(void)
{
    check_drops();
    check_needs();
    check_macs_in_rules();
    check_runs_and_mixtures();
    check_rules_and_their_change();
    check_return_traffic();
    check_return_traffic_over_changes();
    check_news();
    check_errors_teach_nothing();
    return check_result();
}

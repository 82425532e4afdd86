/* SPDX-License-Identifier: BSD-3-Clause */
/* The flows of the classifier's benchmarks: their frames, their keys, and who looks for them. */
#ifndef ONVM_BENCH_FLOWS_H
#define ONVM_BENCH_FLOWS_H

#include <jansson.h>
#include <rte_hash.h>

#include "../../native/dataplane/frames.h"
#include "dataplane/classifier.h"

#define ROOM 64      /* bytes from one frame to the next */
#define ADDRESSES 26 /* where they begin in a frame */

/* The 5-tuple, as openNetVM has it, padded to 16 bytes. */
struct key {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint8_t protocol, padding[3];
};

static inline struct key
key_of(uint32_t source)
{
    return (struct key){.source = source, .destination = 0xc6120002, .source_port = 1000,
                        .destination_port = 80, .protocol = 6};
}

static inline void
add_key(struct rte_hash *hash, struct key key)
{
    REQUIRE(rte_hash_add_key(hash, &key) >= 0, "rte_hash is full");
}

static inline struct rte_hash *
open_hash(uint32_t entries)
{
    const struct rte_hash_parameters parameters = {
        .name = "bench", .entries = entries, .key_len = sizeof(struct key)};
    struct rte_hash *hash = rte_hash_create(&parameters);

    REQUIRE(hash != NULL, "no memory for rte_hash");
    return hash;
}

/* No rule of these benchmarks names a port. */
static inline uint8_t
port_id(const void *context, const char *name)
{
    (void)context;
    (void)name;
    return ONVM_MAX_PORTS;
}

/* One whose chain 1 keeps the state of flows; takes the plan with the rules. */
static inline struct classifier *
open_classifier(uint32_t flows, struct onvm_worker_counters *counters, json_t *plan)
{
    struct failure failure;
    struct classifier *classifier = classifier_new(flows, counters, &failure);
    struct ruleset *ruleset = ruleset_parse(plan, port_id, NULL, &failure);

    REQUIRE(classifier != NULL && ruleset != NULL, "%s", failure.text);
    classifier_set_needs(classifier, (enum flow_need[ONVM_MAX_CHAINS]){[1] = FLOW_STATE});
    ruleset_free(classifier_exchange(classifier, ruleset));
    json_decref(plan);
    return classifier;
}

/* A frame that lies at `data`. */
static inline struct rte_mbuf
mbuf_at(uint8_t *data, uint16_t length)
{
    return (struct rte_mbuf){.buf_addr = data, .data_len = length, .pkt_len = length};
}

#endif

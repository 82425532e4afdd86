/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a packet ended before an egress port: the one table.
 *
 * C counters, the Python enumeration, CLI, metrics and docs/drop-reasons.md
 * all derive from it.  Append only: a reason's place is its number in the ABI.
 *
 *   X(name, who, text)   who: path   the data plane's own doing
 *                             nf     an NF's verdict
 *                             fault  somebody broke the protocol
 */
#ifndef ONVM_PROTOCOL_DROP_REASONS_H
#define ONVM_PROTOCOL_DROP_REASONS_H

#define ONVM_DROP_REASONS(X) \
    X(no_chain, path, "no rule matched and the node has no default chain") \
    X(no_instance, path, "the next service of the chain has no running instance") \
    X(no_route, path, "the chain was removed while the packet was on its way") \
    X(edge_full, path, "the next NF's input edge was full") \
    X(backpressure, path, "shed at ingress: an NF on its way cannot keep up") \
    X(no_buffer, path, "the packet region had no free buffer") \
    X(runt, path, "shorter than an Ethernet header") \
    X(oversize, path, "longer than a buffer, or than the egress port's MTU") \
    X(malformed, path, "headers contradict the frame's length") \
    X(segmentation, path, "a large segment from the kernel could not be cut up") \
    X(port_full, path, "the egress port's transmit queue was full") \
    X(port_unknown, path, "the egress port is not there any more") \
    X(nf_died, path, "held by an NF, or waiting for it, when it died") \
    X(nf_detached, path, "waiting in the edge of an NF that was removed") \
    X(lease_expired, path, "an NF never gave the buffer back") \
    X(nf_policy, nf, "an NF's rules forbid the packet") \
    X(nf_malformed, nf, "an NF could not parse the packet") \
    X(nf_table_full, nf, "an NF had no room for another flow") \
    X(nf_no_mapping, nf, "an NF knows no translation for the packet") \
    X(nf_unsupported, nf, "an NF cannot handle this kind of packet") \
    X(nf_error, nf, "an NF's handler failed or gave no valid verdict") \
    X(bad_index, fault, "a descriptor named a buffer that is not there, or came home to another worker than its") \
    X(bad_generation, fault, "a descriptor named a buffer of an earlier life") \
    X(bad_owner, fault, "a descriptor named a buffer that no NF holds") \
    X(bad_bounds, fault, "a descriptor's packet does not lie within its buffer") \
    X(bad_verdict, fault, "a descriptor carried an impossible verdict, port or reason") \
    X(bad_run, fault, "a packet's segments contradict each other, or do not end") \
    X(link_down, path, "no way of the chain leads on: a link or a node on it is down") \
    X(path_unknown, path, "came by a link under a path id that no chain here takes") \
    X(path_expired, path, "its time to live between nodes has run out") \
    X(no_headroom, path, "no room before the packet for the headers of a link") \
    X(probe_arrived, path, "a probe packet that has reached the end of its way, as it was to")

enum onvm_drop_reason {
#define ONVM_DROP_ENUM(name, who, text) ONVM_DROP_##name,
    ONVM_DROP_REASONS(ONVM_DROP_ENUM)
#undef ONVM_DROP_ENUM
        ONVM_DROP_REASON_COUNT
};

struct onvm_drop_reason_text {
    const char *name, *who, *text;
};

/* Describes one reason; NULL where the number is none. */
static inline const struct onvm_drop_reason_text *
onvm_drop_reason_text(unsigned reason)
{
    static const struct onvm_drop_reason_text texts[] = {
#define ONVM_DROP_TEXT(name, who, text) {#name, #who, text},
        ONVM_DROP_REASONS(ONVM_DROP_TEXT)
#undef ONVM_DROP_TEXT
    };
    return reason < ONVM_DROP_REASON_COUNT ? &texts[reason] : 0;
}

#endif

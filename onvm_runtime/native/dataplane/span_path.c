/* SPDX-License-Identifier: BSD-3-Clause */
#include "span_path.h"

#include <linux/if_ether.h>
#include <rte_branch_prediction.h>
#include <rte_errno.h>
#include <time.h>

#include "bytes.h"
#include "worker.h"

#define LETTERS 64 /* that may wait; more probes than that are one too many */

uint64_t
span_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool
span_ends_open(struct span_ends *ends, unsigned worker, struct failure *failure)
{
    char name[RTE_RING_NAMESIZE];

    snprintf(name, sizeof(name), "onvm-mail-%u", worker);
    ends->mail = rte_ring_create_elem(name, sizeof(struct letter), LETTERS, SOCKET_ID_ANY,
                                      RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ends->mail == NULL)
        return fail(failure, "cannot make a worker's mailbox: %s", rte_strerror(rte_errno));
    return true;
}

void
span_ends_close(struct span_ends *ends)
{
    rte_ring_free(ends->mail);
}

static void
send_to_control(struct worker *worker, struct rte_mbuf *frame, uint8_t port, unsigned span)
{
    struct letter letter = {frame, span_clock(), port, span};

    if (rte_ring_enqueue_elem(worker->spans.mail, &letter, sizeof(letter)) != 0)
        rte_pktmbuf_free(frame);
}

/* Gives the packet what its tag says; false: it has ended. */
static bool
accept(struct worker *worker, unsigned span, const struct nsh *tag, struct rte_mbuf *frame,
       struct classification *result)
{
    struct arrival_key key = {(uint8_t)span, tag->index, tag->path_id};
    uint16_t chain = arrivals_find(worker->spans.arrivals, key);
    uint8_t ttl = nsh_time_left(tag->ttl);

    if (chain == 0 || ttl == 0) {
        worker_drop(worker, chain, frame,
                    chain == 0 ? ONVM_DROP_path_unknown : ONVM_DROP_path_expired);
        return false;
    }
    *result = (struct classification){.chain = chain, .ttl = ttl, .flow = tag->flow};
    return true;
}

static enum unwrapped
unwrap(struct worker *worker, unsigned span, const struct nsh *tag, struct rte_mbuf *frame,
       struct classification *result)
{
    const struct wrap *wrap = &worker->spans.end[span].wrap;
    uint8_t port = worker->spans.end[span].port;

    if (!accept(worker, span, tag, frame, result))
        return UNWRAPPED_TAKEN;
    wrap_strip(wrap, rte_pktmbuf_mtod(frame, uint8_t *));
    rte_pktmbuf_adj(frame, (uint16_t)wrap_size(wrap->kind));
    if (!classifier_join(worker->classifier, port, frame, wrap->kind != WRAP_VLAN,
                         worker->now / 1000, result)) {
        worker_drop(worker, result->chain, frame, ONVM_DROP_malformed);
        return UNWRAPPED_TAKEN;
    }
    return UNWRAPPED_ENTER;
}

/* ARP is for whichever routed span stands on the port. */
static bool
is_arp_for_spans(const struct worker *worker, uint32_t spans, const uint8_t *frame)
{
    if (load16(frame + 12) != ETH_P_ARP)
        return false;
    for (; spans != 0; spans &= spans - 1)
        if (worker->spans.end[__builtin_ctz(spans)].wrap.kind == WRAP_VXLAN_GPE)
            return true;
    return false;
}

enum unwrapped
span_unwrap(struct worker *worker, uint8_t port, struct rte_mbuf *frame,
            struct classification *result, struct trace_mark *mark)
{
    const uint8_t *data = rte_pktmbuf_mtod(frame, const uint8_t *);
    uint32_t length = rte_pktmbuf_data_len(frame);

    for (uint32_t left = worker->spans.at_port[port]; left != 0; left &= left - 1) {
        unsigned span = (unsigned)__builtin_ctz(left);
        struct nsh tag;

        switch (wrap_read(&worker->spans.end[span].wrap, data, length, &tag)) {
        case WRAP_PACKET:
            *mark = (struct trace_mark){tag.trace, (uint8_t)(span + 1)};
            return unwrap(worker, span, &tag, frame, result);
        case WRAP_PROBE:
            send_to_control(worker, frame, port, span);
            return UNWRAPPED_TAKEN;
        case WRAP_FOREIGN:
            break;
        }
    }
    if (length < ETH_HLEN || !is_arp_for_spans(worker, worker->spans.at_port[port], data))
        return UNWRAPPED_NOT;
    send_to_control(worker, frame, port, ONVM_MAX_LINKS);
    return UNWRAPPED_TAKEN;
}

enum onvm_drop_reason
span_obstacle(const struct span_end *end, const struct rte_mbuf *frame)
{
    uint32_t size = wrap_size(end->wrap.kind);

    if (!end->open)
        return ONVM_DROP_link_down;
    if (rte_pktmbuf_pkt_len(frame) + size > end->longest)
        return ONVM_DROP_oversize;
    return rte_pktmbuf_headroom(frame) < size ? ONVM_DROP_no_headroom : ONVM_DROP_REASON_COUNT;
}

static void
end_on_way_out(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
               enum onvm_drop_reason reason, bool traced)
{
    if (traced)
        trace_end(&worker->latency.trace, region_index(worker->region, frame), chain,
                  ONVM_VERDICT_DROP, (uint16_t)reason);
    worker_drop(worker, chain, frame, reason);
}

void
span_leave(struct worker *worker, uint16_t chain, struct rte_mbuf *frame,
           const struct nsh *tag)
{
    const struct span_end *end = &worker->spans.end[worker->exit[chain].span];
    uint32_t length = rte_pktmbuf_pkt_len(frame), size = wrap_size(end->wrap.kind);
    enum onvm_drop_reason obstacle = span_obstacle(end, frame);

    if (unlikely(obstacle != ONVM_DROP_REASON_COUNT)) {
        end_on_way_out(worker, chain, frame, obstacle, tag->trace != 0);
        return;
    }
    wrap_write(&end->wrap, tag, length, (uint8_t *)rte_pktmbuf_prepend(frame, (uint16_t)size));
    egress_frame(worker, end->port, chain, frame);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "post.h"

#include <string.h>

/* Where a packet goes: an edge to the next NF, or home with a verdict. */
struct target {
    struct output *output; /* NULL: home */
    uint8_t verdict;       /* for home */
    uint8_t argument;
};

static struct target
drop(enum onvm_drop_reason reason)
{
    return (struct target){.verdict = ONVM_VERDICT_DROP, .argument = (uint8_t)reason};
}

static struct target
follow_table(struct attachment *attachment, uint16_t table,
             const struct onvm_descriptor *descriptor)
{
    const struct onvm_routes *routes = attachment_routes(attachment);
    uint16_t edge;

    if (table >= ONVM_MAX_SERVICES)
        return drop(ONVM_DROP_no_route);
    edge = __atomic_load_n(
        &routes->table[table][onvm_table_place(descriptor->flow, descriptor->flags)],
        __ATOMIC_ACQUIRE);
    if (edge >= ONVM_MAX_EDGES || !output_is_open(&attachment->output[edge]))
        return drop(ONVM_DROP_no_instance);
    return (struct target){.output = &attachment->output[edge]};
}

static struct target
follow_route(struct attachment *attachment, struct onvm_route route,
             const struct onvm_descriptor *descriptor)
{
    switch (route.kind) {
    case ONVM_ROUTE_TABLE:
        return follow_table(attachment, route.index, descriptor);
    case ONVM_ROUTE_HOME:
        return (struct target){.verdict = ONVM_VERDICT_NEXT, .argument = descriptor->hop};
    default:
        return drop(ONVM_DROP_no_route);
    }
}

static struct onvm_route
next_route(const struct attachment *attachment, uint16_t path, uint32_t hop)
{
    if (hop >= ONVM_MAX_HOPS)
        return (struct onvm_route){.kind = ONVM_ROUTE_NONE};
    return onvm_route_load(&attachment_routes(attachment)->next[onvm_path_chain(path)][hop]);
}

static struct target
follow_verdict(struct attachment *attachment, const struct onvm_descriptor *descriptor,
               uint8_t verdict, uint8_t argument)
{
    const struct onvm_routes *routes = attachment_routes(attachment);

    if (verdict == ONVM_VERDICT_NEXT)
        return follow_route(attachment,
                            next_route(attachment, descriptor->path, descriptor->hop), descriptor);
    if (verdict == ONVM_VERDICT_TO && argument < ONVM_MAX_BRANCHES)
        return follow_route(attachment, onvm_route_load(&routes->branch[argument]), descriptor);
    if ((verdict == ONVM_VERDICT_OUT && argument < ONVM_MAX_PORTS) ||
        (verdict == ONVM_VERDICT_DROP && argument < ONVM_DROP_REASON_COUNT))
        return (struct target){.verdict = verdict, .argument = argument};
    return drop(ONVM_DROP_nf_error);
}

/* A descriptor as it goes home. */
static inline struct onvm_words
with_verdict(struct onvm_words words, struct target target)
{
    words.way &= ~(ONVM_WAY_HOP | ONVM_WAY_VERDICT);
    words.way |= (uint64_t)target.argument << 48 | (uint64_t)target.verdict << 56;
    return words;
}

/* Fills one slot of a home edge; the caller counts. */
static inline void
put_home_slot(struct output *home, const struct onvm_descriptor *descriptor, struct target target)
{
    onvm_producer_write(&home->producer, with_verdict(onvm_descriptor_read(descriptor), target));
}

/* Sends home a packet of one segment. */
static inline void
put_into(struct attachment *attachment, struct output *home, struct onvm_descriptor descriptor,
         struct target target)
{
    put_home_slot(home, &descriptor, target);
    if (target.verdict == ONVM_VERDICT_DROP)
        ONVM_COUNT(attachment_counters(attachment)->dropped[target.argument], 1);
}

/* Sends a packet to the worker that its buffer belongs to. */
static void
put_home(struct attachment *attachment, struct onvm_descriptor descriptor, struct target target)
{
    struct output *home = attachment_home(attachment, onvm_buffer_index(descriptor.buffer));

    put_into(attachment, home, descriptor, target);
}

/* Fills one slot of an edge to another NF, or turns the packet home where that is full. */
static void
put_out(struct attachment *attachment, struct onvm_descriptor descriptor, struct output *output)
{
    if (onvm_producer_room(&output->producer, 1) == 0) {
        put_home(attachment, descriptor, drop(ONVM_DROP_edge_full));
        ONVM_COUNT(attachment_counters(attachment)->edge_full, 1);
        return;
    }
    onvm_producer_put(&output->producer, &descriptor);
}

/* The packet's descriptors in order; the further ones repeat what the first says of the packet. */
static uint32_t
collect_run(const struct onvm_burst *burst, uint32_t i, struct onvm_descriptor *run)
{
    const struct onvm_run *further = &burst->run[i];

    run[0] = burst->descriptor[i];
    if (!onvm_packet_is_run(burst, i))
        return 1;
    for (uint32_t k = 0; k < further->count; k++)
        run[k + 1] = burst->further[further->first + k];
    return 1u + further->count;
}

static void
put_run_home(struct attachment *attachment, const struct onvm_descriptor *run, uint32_t count,
             struct target target)
{
    struct output *home = attachment_home(attachment, onvm_buffer_index(run[0].buffer));

    for (uint32_t k = 0; k < count; k++)
        put_home_slot(home, &run[k], target);
    if (target.verdict == ONVM_VERDICT_DROP)
        ONVM_COUNT(attachment_counters(attachment)->dropped[target.argument], 1);
}

/* As put_out, for a packet of several segments: all of them or none. */
static void
put_run_out(struct attachment *attachment, const struct onvm_descriptor *run, uint32_t count,
            struct output *output)
{
    if (onvm_producer_room(&output->producer, count) < count) {
        put_run_home(attachment, run, count, drop(ONVM_DROP_edge_full));
        ONVM_COUNT(attachment_counters(attachment)->edge_full, 1);
        return;
    }
    for (uint32_t k = 0; k < count; k++)
        onvm_producer_put(&output->producer, &run[k]);
}

/* Publishes what was put into the home edges since the last time. */
static void
publish_home(struct attachment *attachment)
{
    for (uint32_t worker = 0; worker < attachment->welcome.workers; worker++)
        attachment_publish(attachment, &attachment->home[worker]);
}

/* Whether all buffers of the burst belong to one worker. */
static bool
same_home(const struct attachment *attachment, const struct onvm_burst *burst)
{
    uint32_t differs = 0;

    if (attachment->welcome.workers == 1)
        return true;
    for (uint32_t i = 1; i < burst->count; i++)
        differs |= burst->descriptor[i].buffer ^ burst->descriptor[0].buffer;
    return attachment_same_home(attachment, differs);
}

/* Puts descriptors into an edge with room for them: those bits of their ways kept, and this added. */
static void
put_all(struct onvm_producer *producer, const struct onvm_descriptor *from, uint32_t count,
        uint64_t kept, uint64_t added)
{
    for (uint32_t row; count > 0; from += row, count -= row) {
        struct onvm_descriptor *slot = onvm_producer_take_row(producer, count, &row);

        for (uint32_t k = 0; k < row; k++) {
            struct onvm_words words = onvm_descriptor_words(&from[k]);

            words.way = (words.way & kept) + added;
            onvm_descriptor_write(&slot[k], words);
        }
    }
}

static void
post_home_together(struct attachment *attachment, const struct onvm_burst *burst,
                   struct target target)
{
    uint32_t first = onvm_buffer_index(burst->descriptor[0].buffer), count = burst->count;
    struct output *home = attachment_home(attachment, first);
    struct onvm_words verdict = with_verdict((struct onvm_words){0, 0}, target);

    if (!same_home(attachment, burst)) {
        for (uint32_t i = 0; i < count; i++)
            put_home(attachment, burst->descriptor[i], target);
        return;
    }
    put_all(&home->producer, burst->descriptor, count, ~(ONVM_WAY_HOP | ONVM_WAY_VERDICT),
            verdict.way);
    if (target.verdict == ONVM_VERDICT_DROP)
        ONVM_COUNT(attachment_counters(attachment)->dropped[target.argument], count);
}

/* The whole burst one hop further by one edge; what does not fit goes home as a drop. */
static void
post_out_together(struct attachment *attachment, const struct onvm_burst *burst,
                  struct output *output)
{
    uint32_t room = onvm_producer_room(&output->producer, burst->count);

    put_all(&output->producer, burst->descriptor, room, ~UINT64_C(0), ONVM_WAY_ONE_HOP);
    for (uint32_t i = room; i < burst->count; i++)
        put_home(attachment, burst->descriptor[i], drop(ONVM_DROP_edge_full));
    ONVM_COUNT(attachment_counters(attachment)->edge_full, burst->count - room);
    attachment_publish(attachment, output);
}

/* Whether the edge's consumer is here and could peek `count` more descriptors at once. */
static bool
can_go_on(const struct output *output, uint32_t count)
{
    struct member *peer = output->peer;

    return peer && !peer->busy && member_may_move(peer) &&
           output->producer.head == output->peer_input->consumer.tail &&
           attachment_home_room(&peer->session.attachment, count) == count;
}

/* Sends the whole burst one hop further. */
static void
advance(struct attachment *attachment, struct passage *passage, struct output *output)
{
    if (can_go_on(output, passage->burst.count)) {
        publish_home(attachment);
        passage_go_on(passage, output->peer);
    } else {
        passage_settle(passage);
        post_out_together(attachment, &passage->burst, output);
    }
}

/* Whether a table sends every packet of the burst over the same edge. */
static bool
same_edge(const struct attachment *attachment, const struct onvm_burst *burst, uint16_t table)
{
    const uint16_t *place = attachment_routes(attachment)->table[table % ONVM_MAX_SERVICES];
    const struct onvm_descriptor *descriptor = burst->descriptor;
    uint16_t first = place[onvm_table_place(descriptor->flow, descriptor->flags)], differs = 0;

    for (uint32_t i = 1; i < burst->count; i++)
        differs |= first ^ place[onvm_table_place(descriptor[i].flow, descriptor[i].flags)];
    return differs == 0;
}

/* Posts a burst that follows one route to one target; false where it does not. */
static bool
post_together(struct attachment *attachment, struct passage *passage)
{
    const struct onvm_descriptor *first = &passage->burst.descriptor[0];
    struct onvm_route route =
        next_route(attachment, first->path, (uint32_t)first->hop + passage->ahead);
    struct target target;

    if (route.kind == ONVM_ROUTE_TABLE && !passage->one_flow &&
        !same_edge(attachment, &passage->burst, route.index))
        return false;
    target = follow_route(attachment, route, first);
    if (target.output)
        advance(attachment, passage, target.output);
    else
        post_home_together(attachment, &passage->burst, target);
    return true;
}

/* Descriptors of a burst that go to members of this process, each with its output edge. */
struct parting {
    uint32_t count;
    struct output *output[ONVM_BURST];
    struct onvm_descriptor descriptor[ONVM_BURST];
};

static void
set_apart(struct parting *parting, const struct onvm_descriptor *run, uint32_t count,
          struct output *output)
{
    for (uint32_t k = 0; k < count; k++) {
        parting->output[parting->count] = output;
        parting->descriptor[parting->count++] = run[k];
    }
}

/* A ring within the process, so that a part is peeked as any burst is. */
struct part {
    struct onvm_edge edge;
    struct onvm_descriptor slot[ONVM_BURST];
    struct onvm_consumer consumer;
};

_Static_assert(offsetof(struct part, slot) == offsetof(struct onvm_edge, slot), "it is its ring");

/* Takes what goes over one output out of a parting, in its order. */
static void
collect_part(struct parting *parting, const struct output *output, struct part *part)
{
    uint32_t rest = 0;

    part->edge.head = part->edge.tail = 0;
    for (uint32_t i = 0; i < parting->count; i++) {
        if (parting->output[i] == output) {
            part->slot[part->edge.head++] = parting->descriptor[i];
        } else {
            parting->output[rest] = parting->output[i];
            parting->descriptor[rest++] = parting->descriptor[i];
        }
    }
    parting->count = rest;
    onvm_consumer_open(&part->consumer, &part->edge, ONVM_BURST);
}

/* Puts a part into the ring to its member after all. */
static void
post_part(struct attachment *attachment, struct part *part, struct output *output)
{
    struct onvm_descriptor run[ONVM_MAX_SEGMENTS];
    bool whole;

    for (uint32_t i = 0, count; i < part->edge.head; i += count) {
        count = onvm_consumer_peek_run(&part->consumer, i, run, &whole);
        put_run_out(attachment, run, count, output);
    }
    attachment_publish(attachment, output);
}

static void
part_ways(struct attachment *attachment, struct parting *parting)
{
    struct passage passage;
    struct part part;

    while (parting->count > 0) {
        struct output *output = parting->output[0];

        collect_part(parting, output, &part);
        if (can_go_on(output, part.edge.head)) {
            passage_gather(&passage, output->peer, &part.consumer, part.edge.head);
            passage_handle(&passage, output->peer);
        } else {
            post_part(attachment, &part, output);
        }
    }
}

/* Sends a packet, its descriptors in `run`, over an edge that may lead to a member. */
static void
send_on(struct attachment *attachment, const struct onvm_descriptor *run, uint32_t count,
        struct output *output, struct parting *parting)
{
    if (output->peer)
        set_apart(parting, run, count, output);
    else if (count == 1)
        put_out(attachment, run[0], output);
    else
        put_run_out(attachment, run, count, output);
}

static void
post_one_by_one(struct attachment *attachment, const struct onvm_burst *burst)
{
    struct onvm_descriptor run[ONVM_MAX_SEGMENTS];
    struct output *touched[ONVM_BURST];
    struct parting parting = {.count = 0};
    uint32_t outputs = 0;

    for (uint32_t i = 0; i < burst->count; i++) {
        struct target target = follow_verdict(attachment, &burst->descriptor[i],
                                              burst->verdict[i], burst->argument[i]);
        uint32_t count = collect_run(burst, i, run);

        if (!target.output) {
            put_run_home(attachment, run, count, target);
            continue;
        }
        touched[outputs++] = target.output;
        for (uint32_t k = 0; k < count; k++)
            run[k].hop = (uint8_t)(run[k].hop + (burst->verdict[i] == ONVM_VERDICT_NEXT));
        send_on(attachment, run, count, target.output, &parting);
    }
    for (uint32_t i = 0; i < outputs; i++)
        attachment_publish(attachment, touched[i]);
    publish_home(attachment);
    part_ways(attachment, &parting);
}

static bool
all_next(const struct onvm_burst *burst)
{
    static const uint8_t preset[ONVM_BURST] = {[0 ... ONVM_BURST - 1] = ONVM_VERDICT_NEXT};

    return memcmp(burst->verdict, preset, sizeof(preset)) == 0;
}

static void
count_verdicts(struct onvm_nf_counters *counters, const struct onvm_burst *burst, bool next)
{
    uint32_t by_verdict[4] = {0};

    if (next) {
        ONVM_COUNT(counters->verdict[ONVM_VERDICT_NEXT], burst->count);
        return;
    }
    for (uint32_t i = 0; i < burst->count; i++)
        by_verdict[burst->verdict[i] & 3]++;
    for (unsigned verdict = 0; verdict < 4; verdict++)
        ONVM_COUNT(counters->verdict[verdict], by_verdict[verdict]);
}

void
post_burst(struct passage *passage, struct member *member)
{
    struct attachment *attachment = &member->session.attachment;
    const struct onvm_burst *burst = &passage->burst;
    bool next = all_next(burst);

    /* First, for the burst may be another member's afterwards. */
    count_verdicts(attachment_counters(attachment), burst, next);
    if (!(burst->count > 0 && passage->together && next && post_together(attachment, passage))) {
        passage_settle(passage);
        post_one_by_one(attachment, burst);
    }
    publish_home(attachment);
}

void
post_refusal(struct attachment *attachment, struct onvm_descriptor descriptor,
             enum onvm_drop_reason reason)
{
    descriptor.flags &= (uint8_t)~ONVM_FLAG_SEGMENT; /* each is a packet to whoever takes it */
    if (attachment_has_buffer(attachment, onvm_buffer_index(descriptor.buffer)))
        put_home(attachment, descriptor, drop(reason));
    else /* a fault, which any worker finds out */
        put_into(attachment, &attachment->home[0], descriptor, drop(reason));
}

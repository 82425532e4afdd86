/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An edge: a ring of descriptors from one producer to one consumer.
 *
 * Layout, in a sealed memfd of its own that only its two ends map
 *
 *   line 0   magic, slots        written by the data plane before anybody maps, for who
 *                                looks at a dump; either end may spoil it
 *   line 1   head                written by the producer only
 *   line 2   tail                written by the consumer only
 *   line 3.. slot[slots]         written by the producer, between tail and head
 *
 * head and tail count descriptors for ever and wrap at 2^32; slots is a power
 * of two; the edge holds head - tail descriptors, at most slots of them.
 *
 * Each end keeps its own index and its last view of the other's in private
 * memory (struct onvm_producer, struct onvm_consumer), with the slot count that
 * the size of the memfd gives.  So the peer can spoil only the contents of
 * the ring: a wild index from it is clamped, never followed.
 *
 * States of a slot        who moves it on                how
 *   free                  producer   -> filled           store to slot[head & mask]
 *   filled                producer   -> published        store-release of head
 *   published             consumer   -> peeked           load-acquire of head
 *   peeked                consumer   -> posted           puts the burst into its own
 *                                                        output edges and publishes
 *   posted                consumer   -> free             store-release of tail
 *
 * Permitted, and why
 *   peeked -> published   the consumer died: whoever drains the edge starts at
 *                         tail again, so what the dead NF held is still there
 *   filled -> free        the producer died before it published: nobody saw it
 *
 * Prohibited, and why
 *   peeked -> free        before the burst is posted: a kill -9 in between
 *                         would lose packets that nobody lists any more
 *   published -> filled   a producer never takes back or rewrites what it
 *                         published: the consumer may be reading it
 *   a head or a tail within a run of segments (descriptor.h): a packet is put
 *                         whole or not at all, and released whole.  A consumer
 *                         whose burst ends within a run leaves that run for the
 *                         next burst.  A run that the producer published without
 *                         its end is no packet: it is dropped, not waited for
 *   two producers, two consumers, at any time: replace an end only when the
 *                         old one is known to be gone (its socket closed) or has
 *                         acknowledged ONVM_EDGE_CLOSE (session.h)
 *
 * A dead consumer leaves at most one burst that is posted and not yet freed.
 * Its first ONVM_BURST descriptors are therefore ambiguous: they may live on
 * further down the chain.  The data plane leaves them to its lease sweep.
 */
#ifndef ONVM_PROTOCOL_EDGE_H
#define ONVM_PROTOCOL_EDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "descriptor.h"

#define ONVM_EDGE_MAGIC 0x45474445u /* "EDGE" */
#define ONVM_EDGE_SLOTS_MAX 65536u
#define ONVM_LINE_SLOTS (ONVM_CACHE_LINE / sizeof(struct onvm_descriptor))

struct onvm_edge {
    uint32_t magic;
    uint32_t slots;
    ONVM_ALIGNED uint32_t head;
    ONVM_ALIGNED uint32_t tail;
    ONVM_ALIGNED struct onvm_descriptor slot[];
};

_Static_assert(offsetof(struct onvm_edge, slot) == 3 * ONVM_CACHE_LINE, "the layout above");

/*
 * How many slots lie in a row from the index-th on, `most` at the most: loops that move
 * a burst go row by row, of which there are two where the ring begins anew.
 */
static inline uint32_t
onvm_edge_row(uint32_t slots, uint32_t index, uint32_t most)
{
    uint32_t row = slots - (index & (slots - 1));

    return row < most ? row : most;
}

struct onvm_producer {
    struct onvm_edge *edge;
    uint32_t slots;
    uint32_t head;      /* next slot to fill; published up to edge->head */
    uint32_t seen_tail; /* the consumer's tail when last read */
    uint32_t published;
};

struct onvm_consumer {
    struct onvm_edge *edge;
    uint32_t slots;
    uint32_t tail;      /* next slot to peek; released up to edge->tail */
    uint32_t seen_head; /* the producer's head when last read, clamped to what can be */
};

static inline size_t
onvm_edge_size(uint32_t slots)
{
    return sizeof(struct onvm_edge) + slots * sizeof(struct onvm_descriptor);
}

/*
 * The slots of an edge, by the size of its memfd, which is sealed: what its header says
 * may be the other end's by now.  0: it is none.
 */
static inline uint32_t
onvm_edge_slots(size_t size)
{
    uint32_t slots = ONVM_EDGE_SLOTS_MAX;

    while (slots >= ONVM_BURST && onvm_edge_size(slots) > size)
        slots /= 2;
    return slots >= ONVM_BURST ? slots : 0;
}

/* Takes the producing end, where a producer before it left off. */
static inline void
onvm_producer_open(struct onvm_producer *producer, struct onvm_edge *edge, uint32_t slots)
{
    producer->edge = edge;
    producer->slots = slots;
    producer->head = producer->published = __atomic_load_n(&edge->head, __ATOMIC_RELAXED);
    producer->seen_tail = __atomic_load_n(&edge->tail, __ATOMIC_ACQUIRE);
}

/*
 * Descriptors that fit now, `want` at the most.  Reads the consumer's line
 * only when the private view of it leaves too little room.
 */
static inline uint32_t
onvm_producer_room(struct onvm_producer *producer, uint32_t want)
{
    uint32_t used = producer->head - producer->seen_tail;

    if (used + want > producer->slots) {
        producer->seen_tail = __atomic_load_n(&producer->edge->tail, __ATOMIC_ACQUIRE);
        used = producer->head - producer->seen_tail;
        if (used > producer->slots) /* a tail that cannot be: take the edge for full */
            return 0;
    }
    return producer->slots - used < want ? producer->slots - used : want;
}

/* Fills the next slot; the caller has asked for room. */
static inline void
onvm_producer_write(struct onvm_producer *producer, struct onvm_words words)
{
    onvm_descriptor_write(&producer->edge->slot[producer->head++ & (producer->slots - 1)], words);
}

/* The same for a row of up to `count` slots, which the caller fills: the first of *row. */
static inline struct onvm_descriptor *
onvm_producer_take_row(struct onvm_producer *producer, uint32_t count, uint32_t *row)
{
    struct onvm_descriptor *first = &producer->edge->slot[producer->head & (producer->slots - 1)];

    *row = onvm_edge_row(producer->slots, producer->head, count);
    producer->head += *row;
    return first;
}

static inline void
onvm_producer_put(struct onvm_producer *producer, const struct onvm_descriptor *descriptor)
{
    onvm_producer_write(producer, onvm_descriptor_read(descriptor));
}

/* Lets the consumer see all that was put. */
static inline void
onvm_producer_publish(struct onvm_producer *producer)
{
    producer->published = producer->head;
    __atomic_store_n(&producer->edge->head, producer->head, __ATOMIC_RELEASE);
}

/* Takes the consuming end, where a consumer before it left off. */
static inline void
onvm_consumer_open(struct onvm_consumer *consumer, struct onvm_edge *edge, uint32_t slots)
{
    consumer->edge = edge;
    consumer->slots = slots;
    consumer->tail = consumer->seen_head = __atomic_load_n(&edge->tail, __ATOMIC_RELAXED);
}

/*
 * Descriptors ready to peek, `want` at the most; a head that cannot be is clamped.
 * Reads the producer's line only when the private view of it shows less than that.
 */
static inline uint32_t
onvm_consumer_ready(struct onvm_consumer *consumer, uint32_t want)
{
    uint32_t ready = consumer->seen_head - consumer->tail;

    if (ready < want) {
        ready = __atomic_load_n(&consumer->edge->head, __ATOMIC_ACQUIRE) - consumer->tail;
        if (ready > consumer->slots)
            ready = consumer->slots;
        consumer->seen_head = consumer->tail + ready;
    }
    return ready < want ? ready : want;
}

/*
 * Asks for the lines of up to `count` descriptors that are known to be published, the
 * first of them the i-th after the tail: they come from the producer's core while the
 * burst before them is worked on.
 */
static inline void
onvm_consumer_prefetch(const struct onvm_consumer *consumer, uint32_t i, uint32_t count)
{
    uint32_t known = consumer->seen_head - consumer->tail, end = i + count;

    for (; i < end && i < known; i += ONVM_LINE_SLOTS)
        __builtin_prefetch(&consumer->edge->slot[(consumer->tail + i) & (consumer->slots - 1)]);
}

/* The i-th descriptor after the tail, by value: the peer may rewrite the slot. */
static inline struct onvm_words
onvm_consumer_read(const struct onvm_consumer *consumer, uint32_t i)
{
    return onvm_descriptor_read(
        &consumer->edge->slot[(consumer->tail + i) & (consumer->slots - 1)]);
}

/* The first of *row slots in a row, up to `count`, from the i-th descriptor after the tail on. */
static inline const struct onvm_descriptor *
onvm_consumer_row(const struct onvm_consumer *consumer, uint32_t i, uint32_t count, uint32_t *row)
{
    *row = onvm_edge_row(consumer->slots, consumer->tail + i, count);
    return &consumer->edge->slot[(consumer->tail + i) & (consumer->slots - 1)];
}

static inline void
onvm_consumer_peek(const struct onvm_consumer *consumer, uint32_t i, struct onvm_descriptor *to)
{
    onvm_descriptor_write(to, onvm_consumer_read(consumer, i));
}

/*
 * Copies what begins at the i-th descriptor after the tail: a packet, if *whole, of
 * as many descriptors as are returned; else so many that make none, because the run
 * is too long or the producer published no end to it.
 */
static inline uint32_t
onvm_consumer_peek_run(struct onvm_consumer *consumer, uint32_t i,
                       struct onvm_descriptor run[ONVM_MAX_SEGMENTS], bool *whole)
{
    uint32_t ready = onvm_consumer_ready(consumer, i + ONVM_MAX_SEGMENTS), count = 0;

    *whole = false;
    while (!*whole && i + count < ready) {
        onvm_consumer_peek(consumer, i + count, &run[count]);
        *whole = (run[count++].flags & ONVM_FLAG_SEGMENT) == 0;
    }
    return count;
}

/* Gives `count` slots back; only after their burst was posted. */
static inline void
onvm_consumer_release(struct onvm_consumer *consumer, uint32_t count)
{
    consumer->tail += count;
    __atomic_store_n(&consumer->edge->tail, consumer->tail, __ATOMIC_RELEASE);
}

#endif

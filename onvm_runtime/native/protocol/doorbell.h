/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A doorbell: how a producer wakes a consumer that sleeps.
 *
 * One per consumer, in a memfd of its own that the consumer and all its
 * producers map; NFs of one process are one consumer.  It is the one word with
 * several writers: the consumer sets it, anybody may clear it.  The worst that a hostile producer can do with it
 * is to wake somebody for nothing, or to keep to itself that it posted, and then
 * the sleeper's time-out ends the sleep.
 *
 *   asleep   0 awake, 1 asleep or about to sleep.  An NF sleeps on this word
 *            with FUTEX_WAIT.  A data-plane worker must watch port descriptors
 *            as well, so it sleeps in epoll on an eventfd, and whoever rings
 *            for it writes that eventfd in place of FUTEX_WAKE.
 *   mail     raised by the data plane after it sent the NF a message, so that a
 *            busy NF need not ask its socket in every loop
 *
 * The consumer              the producer
 *   asleep = 1                publish head
 *   full fence                full fence
 *   look at every edge        asleep == 1 ?
 *   nothing: wait             exchange asleep with 0; was 1: wake
 *
 * Either the consumer sees the head or the producer sees the flag: no wake-up
 * is lost, and a burst costs one wake-up at the most.
 */
#ifndef ONVM_PROTOCOL_DOORBELL_H
#define ONVM_PROTOCOL_DOORBELL_H

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

struct onvm_doorbell {
    ONVM_ALIGNED uint32_t asleep;
    ONVM_ALIGNED uint32_t mail;
};

/*
 * The producer's fence.  It waits until all that was stored is with the other cores, so
 * it costs least some time after the last store, and one serves several doorbells.
 */
static inline void
onvm_doorbell_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Wakes the consumer if it sleeps, for what was published before the last fence;
 * eventfd is -1 for one that waits on the futex.
 */
static inline void
onvm_doorbell_wake(struct onvm_doorbell *doorbell, int eventfd)
{
    if (__atomic_load_n(&doorbell->asleep, __ATOMIC_RELAXED) == 0)
        return;
    if (__atomic_exchange_n(&doorbell->asleep, 0, __ATOMIC_SEQ_CST) == 0)
        return;
    if (eventfd < 0) {
        syscall(SYS_futex, &doorbell->asleep, FUTEX_WAKE, 1, NULL, NULL, 0);
    } else {
        uint64_t one = 1;
        ssize_t written = write(eventfd, &one, sizeof(one));
        (void)written; /* a full counter means that a wake-up is pending already */
    }
}

/* Both steps, for one doorbell. */
static inline void
onvm_doorbell_ring(struct onvm_doorbell *doorbell, int eventfd)
{
    onvm_doorbell_fence();
    onvm_doorbell_wake(doorbell, eventfd);
}

/* Says that the consumer is about to sleep; it must look at its edges after this. */
static inline void
onvm_doorbell_arm(struct onvm_doorbell *doorbell)
{
    __atomic_store_n(&doorbell->asleep, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void
onvm_doorbell_disarm(struct onvm_doorbell *doorbell)
{
    __atomic_store_n(&doorbell->asleep, 0, __ATOMIC_RELAXED);
}

/* Sleeps until rung, for `nanoseconds` at the most (below one second); false: for so long. */
static inline bool
onvm_doorbell_wait(struct onvm_doorbell *doorbell, long nanoseconds)
{
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = nanoseconds};

    return syscall(SYS_futex, &doorbell->asleep, FUTEX_WAIT, 1, &timeout, NULL, 0) == 0 ||
           errno != ETIMEDOUT;
}

#endif

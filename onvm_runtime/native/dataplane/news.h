/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * News: what one worker has learnt and the others must know.
 *
 * Each pair of workers has a mailbox in each direction, a ring with one writer and
 * one reader.  A worker reads its mail at every turn, and between the reception of
 * a burst and its classification: so news of a flow that left are known before
 * anything of it can come back.  Nobody waits for a full mailbox.  What did not fit
 * is told again as long as the flow goes on (classifier_learn_return).
 */
#ifndef ONVM_DATAPLANE_NEWS_H
#define ONVM_DATAPLANE_NEWS_H

#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "../protocol/doorbell.h"
#include "classifier.h"
#include "failure.h"

/* Another worker's mailbox for us. */
struct news_reader {
    struct rte_ring *mailbox;
    struct onvm_doorbell *doorbell;
    int eventfd;
};

/* One worker's ends. */
struct news {
    unsigned readers;
    struct news_reader reader[ONVM_MAX_WORKERS];
    unsigned mailboxes;
    struct rte_ring *mailbox[ONVM_MAX_WORKERS];
};

/* Makes a mailbox from one worker to another, who sleeps on `doorbell` and `eventfd`. */
bool news_connect(struct news *from, struct news *to, struct onvm_doorbell *doorbell, int eventfd,
                  struct failure *failure);

/* Tells all others; wakes one whose mailbox fills while it sleeps. */
void news_tell(struct news *news, const struct classifier_news *item);

/* Learns what the others told. */
void news_read(struct news *news, struct classifier *classifier, uint32_t now);

/* Whether there is mail. */
static inline bool
news_wait(const struct news *news)
{
    for (unsigned i = 0; i < news->mailboxes; i++)
        if (!rte_ring_empty(news->mailbox[i]))
            return true;
    return false;
}

static inline void
news_take(struct news *news, struct classifier *classifier, uint32_t now)
{
    if (news_wait(news))
        news_read(news, classifier, now);
}

#endif

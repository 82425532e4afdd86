/* SPDX-License-Identifier: BSD-3-Clause */
#include "news.h"

#include <rte_errno.h>
#include <rte_ring_elem.h>
#include <stdio.h>

#define SLOTS 1024
#define ITEM sizeof(struct classifier_news)

_Static_assert(ITEM % 4 == 0, "rte_ring moves words");

bool
news_connect(struct news *from, struct news *to, struct onvm_doorbell *doorbell, int eventfd,
             struct failure *failure)
{
    static unsigned made;
    char name[RTE_RING_NAMESIZE];
    struct rte_ring *ring;

    snprintf(name, sizeof(name), "onvm-news-%u", made++);
    ring = rte_ring_create_elem(name, ITEM, SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (ring == NULL)
        return fail(failure, "cannot make a mailbox between workers: %s", rte_strerror(rte_errno));
    from->reader[from->readers++] = (struct news_reader){ring, doorbell, eventfd};
    to->mailbox[to->mailboxes++] = ring;
    return true;
}

void
news_tell(struct news *news, const struct classifier_news *item)
{
    for (unsigned i = 0; i < news->readers; i++) {
        const struct news_reader *reader = &news->reader[i];
        unsigned room;

        rte_ring_sp_enqueue_bulk_elem(reader->mailbox, item, ITEM, 1, &room);
        if (room < SLOTS / 2)
            onvm_doorbell_ring(reader->doorbell, reader->eventfd);
    }
}

static void
read_mailbox(struct rte_ring *mailbox, struct classifier *classifier, uint32_t now)
{
    struct classifier_news item[ONVM_BURST];
    unsigned count;

    do {
        count = rte_ring_sc_dequeue_burst_elem(mailbox, item, ITEM, ONVM_BURST, NULL);
        for (unsigned i = 0; i < count; i++)
            classifier_hear(classifier, &item[i], now);
    } while (count == ONVM_BURST);
}

void
news_read(struct news *news, struct classifier *classifier, uint32_t now)
{
    for (unsigned i = 0; i < news->mailboxes; i++)
        read_mailbox(news->mailbox[i], classifier, now);
}

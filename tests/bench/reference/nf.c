/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NF of the reference chain.
 *
 *   reference_nf EAL-OPTION... -- COUNTERS-FILE NUMBER
 *
 * Its lcore id must be unlike those of all other processes: they share the
 * mempool's caches by that id.
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <string.h>

#include "../../../nf_images/forward/swap_mac.h"
#include "reference.h"

struct nf {
    struct rte_ring *in, *out;
    struct reference_counters *counters;
};

static struct rte_ring *
find_ring(unsigned number)
{
    char name[RTE_RING_NAMESIZE];
    struct rte_ring *ring;

    reference_ring_name(name, number);
    ring = rte_ring_lookup(name);
    if (ring == NULL)
        reference_fail("there is no ring %s", name);
    return ring;
}

/*
 * Mempool operations go by the order in which a process registered them: with
 * another set of libraries than the primary's, a secondary frees in another way.
 */
static void
check_pool(void)
{
    struct rte_mempool *pool = rte_mempool_lookup(REFERENCE_POOL);
    const char *name = pool != NULL ? rte_mempool_get_ops(pool->ops_index)->name : "no pool";

    if (strcmp(name, "ring_mp_mc") != 0)
        reference_fail("the pool must be ring_mp_mc here as well, not %s", name);
}

static void
handle(struct rte_mbuf **mbuf, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(mbuf[i], void *));
    for (unsigned i = 0; i < count; i++)
        swap_mac(rte_pktmbuf_mtod(mbuf[i], uint8_t *));
}

static unsigned
turn(struct nf *nf)
{
    struct rte_mbuf *mbuf[REFERENCE_BURST];
    unsigned count = rte_ring_dequeue_burst(nf->in, (void **)mbuf, REFERENCE_BURST, NULL);
    unsigned put;

    if (count == 0)
        return 0;
    handle(mbuf, count);
    put = rte_ring_enqueue_burst(nf->out, (void **)mbuf, count, NULL);
    if (put < count) {
        rte_pktmbuf_free_bulk(mbuf + put, count - put);
        reference_count(&nf->counters->dropped, count - put);
    }
    reference_count(&nf->counters->packets, count);
    return count;
}

int
main(int argc, char **argv)
{
    int used = rte_eal_init(argc, argv);
    struct nf nf;
    unsigned number;

    if (used < 0)
        reference_fail("DPDK does not start: %s", rte_strerror(rte_errno));
    if (argc - used != 3)
        reference_fail("usage: %s EAL-OPTION... -- COUNTERS-FILE NUMBER", argv[0]);
    reference_catch_signals();
    check_pool();
    number = reference_number(argv[used + 2]);
    nf.in = find_ring(number);
    nf.out = find_ring(number + 1);
    nf.counters = reference_open_counters(argv[used + 1]);
    nf.counters->ready = 1;
    while (!reference_stop)
        if (turn(&nf) == 0)
            sched_yield();
    return 0; /* no rte_eal_cleanup: in a secondary it takes the primary's things along */
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference chain's manager: one loop that receives and sends.
 *
 *   reference_manager EAL-OPTION... -- COUNTERS-FILE NFS BUFFERS SLOTS
 *
 * The EAL options must bring one device, for example --vdev=net_null0,size=64.
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "reference.h"

#define CACHE 256
#define QUEUE 512
#define DEVICE 0

struct manager {
    struct rte_ring *first, *last;
    struct reference_counters *counters;
};

static void
open_device(struct rte_mempool *pool)
{
    static const struct rte_eth_conf configuration;
    int node = rte_eth_dev_socket_id(DEVICE);

    if (rte_eth_dev_configure(DEVICE, 1, 1, &configuration) != 0 ||
        rte_eth_rx_queue_setup(DEVICE, 0, QUEUE, (unsigned)node, NULL, pool) != 0 ||
        rte_eth_tx_queue_setup(DEVICE, 0, QUEUE, (unsigned)node, NULL) != 0 ||
        rte_eth_dev_start(DEVICE) != 0)
        reference_fail("the device does not start: %s", rte_strerror(rte_errno));
}

static struct rte_ring *
make_ring(unsigned number, unsigned slots)
{
    char name[RTE_RING_NAMESIZE];
    struct rte_ring *ring;

    reference_ring_name(name, number);
    ring = rte_ring_create(name, slots, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (ring == NULL)
        reference_fail("ring %s: %s", name, rte_strerror(rte_errno));
    return ring;
}

static void
make_rings(struct manager *manager, unsigned nfs, unsigned slots)
{
    for (unsigned i = 0; i <= nfs; i++) {
        struct rte_ring *ring = make_ring(i, slots);

        if (i == 0)
            manager->first = ring;
        manager->last = ring;
    }
}

static unsigned
receive(struct manager *manager)
{
    struct rte_mbuf *mbuf[REFERENCE_BURST];
    unsigned count = rte_eth_rx_burst(DEVICE, 0, mbuf, REFERENCE_BURST);
    unsigned put = rte_ring_enqueue_burst(manager->first, (void **)mbuf, count, NULL);

    if (put < count) {
        rte_pktmbuf_free_bulk(mbuf + put, count - put);
        reference_count(&manager->counters->dropped, count - put);
    }
    return count;
}

static void
transmit(struct manager *manager)
{
    struct rte_mbuf *mbuf[REFERENCE_BURST];
    unsigned count = rte_ring_dequeue_burst(manager->last, (void **)mbuf, REFERENCE_BURST, NULL);
    unsigned sent;

    if (count == 0)
        return;
    sent = rte_eth_tx_burst(DEVICE, 0, mbuf, (uint16_t)count);
    rte_pktmbuf_free_bulk(mbuf + sent, count - sent);
    reference_count(&manager->counters->packets, sent);
}

static void
run(struct manager *manager)
{
    manager->counters->ready = 1;
    while (!reference_stop) {
        if (receive(manager) == 0)
            rte_pause();
        transmit(manager);
    }
}

int
main(int argc, char **argv)
{
    int used = rte_eal_init(argc, argv);
    struct manager manager;
    struct rte_mempool *pool;

    if (used < 0)
        reference_fail("DPDK does not start: %s", rte_strerror(rte_errno));
    if (argc - used != 5)
        reference_fail("usage: %s EAL-OPTION... -- COUNTERS-FILE NFS BUFFERS SLOTS", argv[0]);
    argv += used;
    reference_catch_signals();
    manager.counters = reference_open_counters(argv[1]);
    pool = rte_pktmbuf_pool_create(REFERENCE_POOL, reference_number(argv[3]), CACHE, 0,
                                   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (pool == NULL)
        reference_fail("no buffers: %s", rte_strerror(rte_errno));
    make_rings(&manager, reference_number(argv[2]), reference_number(argv[4]));
    open_device(pool);
    run(&manager);
    return 0; /* no rte_eal_cleanup: the harness removes what the process leaves */
}

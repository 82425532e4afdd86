/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports on DPDK's ethdevs, with a receive and a transmit queue for each worker.
 *
 * Drivers receive straight into the packet region, except af_xdp: it lays its
 * UMEM over the mbufs themselves, so it gets an ordinary pool of its own and each
 * frame is copied once.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ethdev.h"
#include "frame.h"
#include "pci_device.h"
#include "port_kinds.h"

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0) /* which shows what its devices are made of */
#define rte_dev_name(device) ((device)->name)
#endif

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define MAX_RSS_KEY 64 /* bytes */
#define RSS_FIELDS                                                          \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | \
     RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | \
     RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define XDP_BUFFERS 8191 /* more than its four rings of 2048 hold between two bursts */
#define XDP_CACHE 256
#define XDP_ATTEMPTS 5
#define XDP_PAUSE 50000 /* microseconds */

static bool
is_kind(const struct port *port, const char *kind)
{
    return strcmp(port->kind, kind) == 0;
}

static bool
ethdev_up(struct port *port)
{
    const struct ethdev *ethdev = port->state;
    struct rte_eth_link link;

    if (ethdev->kernel.socket >= 0 && !interface_up(&ethdev->kernel))
        return false;
    return rte_eth_link_get_nowait(ethdev->id, &link) == 0 && link.link_status != 0;
}

static void
ethdev_refresh(struct port_queue *queue)
{
    struct ethdev *ethdev = ((const struct ethdev_queue *)queue->state)->ethdev;
    struct rte_eth_stats now, *seen = &ethdev->seen;

    if (queue->worker != ethdev->first || rte_eth_stats_get(ethdev->id, &now) != 0)
        return;
    ONVM_COUNT(queue->counters->rx_missed,
               now.imissed - seen->imissed + now.rx_nombuf - seen->rx_nombuf);
    ONVM_COUNT(queue->counters->rx_errors, now.ierrors - seen->ierrors);
    ONVM_COUNT(queue->counters->tx_dropped, now.oerrors - seen->oerrors);
    *seen = now;
}

/* Undoes as much of bring_up_device, and of make_private_pool, as was done. */
static void
device_remove(struct ethdev *ethdev)
{
    if (ethdev->device != NULL) {
        rte_eth_promiscuous_disable(ethdev->id);
        rte_eth_dev_stop(ethdev->id);
        rte_eth_dev_close(ethdev->id);
        rte_dev_remove(ethdev->device);
    }
    ethdev->device = NULL;
    xdp_close(&ethdev->xdp);
    rte_mempool_free(ethdev->private); /* the socket maps it */
    ethdev->private = NULL;
}

static void
ethdev_remove(struct ethdev *ethdev)
{
    device_remove(ethdev);
    if (ethdev->kernel.socket >= 0)
        close(ethdev->kernel.socket);
    free(ethdev);
}

static void
ethdev_close(struct port *port)
{
    ethdev_remove(port->state);
}

static const struct port_ops ethdev_ops = {
    .receive = ethdev_receive,
    .transmit = ethdev_transmit,
    .up = ethdev_up,
    .refresh = ethdev_refresh,
    .close = ethdev_close,
};

static const struct port_ops interrupt_ops = {
    .receive = ethdev_receive,
    .transmit = ethdev_transmit,
    .up = ethdev_up,
    .watch = ethdev_watch,
    .refresh = ethdev_refresh,
    .close = ethdev_close,
};

static const struct port_ops file_ops = {
    .receive = ethdev_receive_file,
    .transmit = ethdev_transmit,
    .up = ethdev_up,
    .refresh = ethdev_refresh,
    .close = ethdev_close,
};

static const struct port_ops xdp_ops = {
    .receive = ethdev_receive_copying,
    .transmit = ethdev_transmit,
    .up = ethdev_up,
    .refresh = ethdev_refresh,
    .close = ethdev_close,
};

/* What DPDK is to probe. */
struct device_request {
    const char *bus;
    char name[64];
    char arguments[1024];
};

static void
describe_pcap(json_t *request, struct device_request *device)
{
    const char *receive = port_text(request, "receive"), *transmit = port_text(request, "transmit");
    bool loop = json_is_true(json_object_get(request, "loop"));

    snprintf(device->arguments, sizeof(device->arguments), "%s%s%s%s%s%s",
             receive != NULL ? "rx_pcap=" : "", receive != NULL ? receive : "",
             receive != NULL && transmit != NULL ? "," : "",
             transmit != NULL ? "tx_pcap=" : "", transmit != NULL ? transmit : "",
             receive != NULL && loop ? ",infinite_rx=1" : "");
}

static void
describe_device(const struct port *port, json_t *request, struct device_request *device)
{
    const json_t *size = json_object_get(request, "size");

    *device = (struct device_request){.bus = "vdev"};
    snprintf(device->name, sizeof(device->name), "net_%s_%s", port->kind, port->name);
    if (is_kind(port, "pci")) {
        device->bus = "pci";
        snprintf(device->name, sizeof(device->name), "%s", port_text(request, "address"));
    } else if (is_kind(port, "pcap")) {
        describe_pcap(request, device);
    } else if (is_kind(port, "null")) {
        if (size != NULL)
            snprintf(device->arguments, sizeof(device->arguments), "size=%d",
                     (int)json_integer_value(size));
    } else {
        snprintf(device->arguments, sizeof(device->arguments), "iface=%s",
                 port_text(request, "interface"));
    }
}

/* Marks an ethdev as belonging to a port of ours, so that no other port finds it. */
static bool
own(uint16_t id, const char *name)
{
    static struct rte_eth_dev_owner owner;

    if (owner.id == RTE_ETH_DEV_NO_OWNER && rte_eth_dev_owner_new(&owner.id) != 0)
        return false;
    snprintf(owner.name, sizeof(owner.name), "%s", name);
    return rte_eth_dev_owner_set(id, &owner) == 0;
}

/* Takes the ethdev that probing `name` has made, and that nobody owns yet. */
static bool
take_ethdev(const struct port *port, struct ethdev *ethdev, const char *name)
{
    uint16_t id;

    RTE_ETH_FOREACH_DEV(id) {
        struct rte_eth_dev_info info;

        if (rte_eth_dev_info_get(id, &info) == 0 &&
            strcmp(rte_dev_name(info.device), name) == 0 && own(id, port->name)) {
            ethdev->id = id;
            ethdev->device = info.device;
            return true;
        }
    }
    return false;
}

static const char *
probe_hint(const struct port *port)
{
    if (is_kind(port, "pci"))
        return "; is that device there, and bound to vfio-pci?";
    if (is_kind(port, "pcap"))
        return "; is the file to receive a pcap file, and can the one to transmit be written?";
    if (is_kind(port, "null"))
        return "";
    return is_kind(port, "tap") ? "; is the name in use, or /dev/net/tun missing?"
                                : "; is that interface there?";
}

static uint32_t
buffer_room(const struct port *port)
{
    return frame_room(port->region->slice[0].pool);
}

/* The null driver writes its size into an mbuf without a look at the buffer. */
static bool
null_fits(const struct port *port, json_t *request, struct failure *failure)
{
    uint32_t room = buffer_room(port);

    if (!is_kind(port, "null") || json_integer_value(json_object_get(request, "size")) <= room)
        return true;
    return fail(failure, "size: a frame of a null port must fit a buffer, %u bytes at the most",
                room);
}

static bool
probe(const struct port *port, struct ethdev *ethdev, json_t *request, struct failure *failure)
{
    struct device_request device;
    int result;

    if (!null_fits(port, request, failure))
        return false;
    describe_device(port, request, &device);
    if (is_kind(port, "pcap") && device.arguments[0] == '\0')
        return fail(failure, "a port of kind pcap needs a file to receive or transmit");
    if (take_ethdev(port, ethdev, device.name)) /* PCI devices are probed at the start */
        return true;
    result = rte_eal_hotplug_add(device.bus, device.name, device.arguments);
    if (result != 0 && result != -EEXIST)
        return fail(failure, "DPDK cannot open %s %s: %s%s", device.name, device.arguments,
                    rte_strerror(-result), probe_hint(port));
    if (result == 0 && take_ethdev(port, ethdev, device.name))
        return true;
    if (result == -EEXIST)
        return fail(failure, "another port has %s already", device.name);
    rte_eal_hotplug_remove(device.bus, device.name);
    return fail(failure, "no DPDK driver made a port of %s", device.name);
}

static bool
open_kernel_side(struct port *port, struct ethdev *ethdev, json_t *request,
                 struct failure *failure)
{
    ethdev->kernel.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ethdev->kernel.socket < 0)
        return fail(failure, "cannot open a socket: %s", strerror(errno));
    strcpy(ethdev->kernel.name, port_text(request, "interface"));
    return interface_takes(&ethdev->kernel, port->mtu, failure);
}

/* Room for the longest frame behind DPDK's headroom and the kernel's. */
static uint16_t
private_room(const struct port *port)
{
    uint32_t room = RTE_PKTMBUF_HEADROOM + XDP_PACKET_HEADROOM + port_longest(port);

    return (uint16_t)RTE_MAX(RTE_ALIGN_CEIL(room, RTE_CACHE_LINE_SIZE),
                             (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);
}

static bool
make_private_pool(const struct port *port, struct ethdev *ethdev, struct failure *failure)
{
    char name[RTE_MEMPOOL_NAMESIZE];

    snprintf(name, sizeof(name), "xdp%u", port->id);
    ethdev->private = rte_pktmbuf_pool_create(name, XDP_BUFFERS, XDP_CACHE, 0,
                                              private_room(port), SOCKET_ID_ANY);
    if (ethdev->private == NULL)
        return fail(failure, "no memory for the %d buffers of af_xdp: %s", XDP_BUFFERS,
                    rte_strerror(rte_errno));
    return true;
}

/*
 * A Toeplitz key that repeats every 16 bits gives both directions of a flow the same
 * hash (Woo and Park, Scalable TCP Session Monitoring with Symmetric Receive-side
 * Scaling, 2012).
 */
static void
ask_for_rss(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
    static uint8_t key[MAX_RSS_KEY];

    for (unsigned i = 0; i < MAX_RSS_KEY; i += 2) {
        key[i] = 0x6d;
        key[i + 1] = 0x5a;
    }
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_hf = RSS_FIELDS & info->flow_type_rss_offloads;
    if (info->hash_key_size > 0 && info->hash_key_size <= MAX_RSS_KEY) {
        conf->rx_adv_conf.rss_conf.rss_key = key;
        conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
    }
}

/* As many queues as there are workers, or as the device has. */
static void
choose_queues(const struct port *port, struct ethdev *ethdev, const struct rte_eth_dev_info *info)
{
    unsigned most = is_kind(port, "af_xdp") ? 1 : port->queues; /* its queue is the interface's */

    ethdev->first = port->id % port->queues;
    ethdev->rx_queues = (uint16_t)RTE_MIN(most, info->max_rx_queues);
    ethdev->tx_queues = (uint16_t)RTE_MIN(most, info->max_tx_queues);
}

/* null receives no frame longer than a buffer, and pcap's driver spreads them unasked. */
static bool
needs_no_offload(const struct port *port)
{
    return is_kind(port, "null") || is_kind(port, "pcap");
}

/* Asks for what frames of several buffers need; the rest of the offloads nobody needs. */
static bool
choose_offloads(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf,
                struct failure *failure)
{
    port->gathers = port_is_jumbo(port);
    if (!port_is_jumbo(port) || needs_no_offload(port))
        return true;
    conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (conf->rxmode.offloads == 0 || conf->txmode.offloads == 0)
        return fail(failure,
                    "mtu: %u needs frames of several buffers, which DPDK's driver %s does not "
                    "take; set mtu: %u, or larger buffers (buffer_size)",
                    port->mtu, info->driver_name, buffer_room(port) - PORT_L2_ROOM);
    return true;
}

static bool
configure(struct port *port, struct ethdev *ethdev, struct failure *failure)
{
    struct rte_eth_conf conf = {
        .rxmode.mtu = port->mtu,
        .intr_conf.rxq = ethdev->interrupts,
    };
    struct rte_eth_dev_info info;
    int result = rte_eth_dev_info_get(ethdev->id, &info);

    if (result == 0) {
        if (!choose_offloads(port, &info, &conf, failure))
            return false;
        choose_queues(port, ethdev, &info);
        if (ethdev->rx_queues > 1 && (info.flow_type_rss_offloads & RSS_FIELDS) != 0)
            ask_for_rss(&info, &conf);
        result = rte_eth_dev_configure(ethdev->id, ethdev->rx_queues, ethdev->tx_queues, &conf);
    }
    if (result == 0 && is_kind(port, "tap")) /* whose kernel side has an MTU as well */
        result = rte_eth_dev_set_mtu(ethdev->id, port->mtu);
    if (result != 0)
        return fail(failure, "DPDK cannot configure it with an MTU of %u: %s", port->mtu,
                    rte_strerror(-result));
    return true;
}

/* The worker that receives by a queue. */
static unsigned
receiver(const struct port *port, const struct ethdev *ethdev, uint16_t queue)
{
    return (ethdev->first + queue) % port->queues;
}

static struct rte_mempool *
receive_pool(const struct port *port, const struct ethdev *ethdev, uint16_t queue)
{
    return ethdev->private != NULL ? ethdev->private
                                   : port->queue[receiver(port, ethdev, queue)].pool;
}

static bool
set_up_queues(const struct port *port, const struct ethdev *ethdev, struct failure *failure)
{
    /* tap keeps a buffer for each, and fills only the first unless it may scatter */
    uint16_t rx = is_kind(port, "tap") ? 1 : RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
    unsigned socket = (unsigned)rte_eth_dev_socket_id(ethdev->id);
    int result = rte_eth_dev_adjust_nb_rx_tx_desc(ethdev->id, &rx, &tx);

    for (uint16_t i = 0; result == 0 && i < ethdev->rx_queues; i++)
        result = rte_eth_rx_queue_setup(ethdev->id, i, rx, socket, NULL,
                                        receive_pool(port, ethdev, i));
    for (uint16_t i = 0; result == 0 && i < ethdev->tx_queues; i++)
        result = rte_eth_tx_queue_setup(ethdev->id, i, tx, socket, NULL);
    if (result != 0)
        return fail(failure, "DPDK cannot set up its queues: %s", rte_strerror(-result));
    return true;
}

static bool
start(const struct ethdev *ethdev, struct failure *failure)
{
    int result = rte_eth_dev_start(ethdev->id);

    if (result != 0)
        return fail(failure, "DPDK cannot start it: %s", rte_strerror(-result));
    result = rte_eth_promiscuous_enable(ethdev->id);
    if (result != 0 && result != -ENOTSUP)
        return fail(failure, "DPDK cannot make it promiscuous: %s", rte_strerror(-result));
    return true;
}

static const struct port_ops *
choose_ops(const struct port *port, const struct ethdev *ethdev)
{
    if (is_kind(port, "af_xdp"))
        return &xdp_ops;
    if (is_kind(port, "pci") && ethdev->interrupts)
        return &interrupt_ops;
    return is_kind(port, "pcap") ? &file_ops : &ethdev_ops;
}

static void
describe_port(struct port *port, const struct ethdev *ethdev)
{
    struct rte_ether_addr address;

    if (rte_eth_macaddr_get(ethdev->id, &address) == 0)
        memcpy(port->mac, &address, sizeof(port->mac));
    port->ops = choose_ops(port, ethdev);
}

static int
wait_descriptor(const struct port *port, const struct ethdev *ethdev, uint16_t queue)
{
    if (ethdev->interrupts)
        return rte_eth_dev_rx_intr_ctl_q_get_fd(ethdev->id, queue);
    return is_kind(port, "af_xdp") ? xdp_socket(&ethdev->xdp) : -1;
}

/* Gives each worker its queues; those that get none to receive by only send. */
static void
share_out(struct port *port, struct ethdev *ethdev)
{
    bool alone = ethdev->tx_queues == port->queues;

    for (unsigned i = 0; i < port->queues; i++) {
        struct port_queue *queue = &port->queue[receiver(port, ethdev, (uint16_t)i)];
        struct ethdev_queue *own = &ethdev->queue[queue->worker];

        own->id = ethdev->id;
        own->ethdev = ethdev;
        own->receive = (uint16_t)i;
        own->transmit = (uint16_t)(i % ethdev->tx_queues);
        own->turn = alone ? NULL : &ethdev->turn[own->transmit];
        queue->state = own;
        queue->receives = i < ethdev->rx_queues;
        if (queue->receives)
            queue->wait_fd = wait_descriptor(port, ethdev, own->receive);
    }
}

static bool
start_queues(struct port *port, struct ethdev *ethdev, struct failure *failure)
{
    return configure(port, ethdev, failure) && set_up_queues(port, ethdev, failure) &&
           start(ethdev, failure);
}

/* Whether each queue can indeed be watched; the first time a driver may say that it cannot. */
static bool
can_watch(const struct ethdev *ethdev)
{
    for (uint16_t i = 0; i < ethdev->rx_queues; i++)
        if (rte_eth_dev_rx_intr_ctl_q_get_fd(ethdev->id, i) < 0 ||
            rte_eth_dev_rx_intr_enable(ethdev->id, i) != 0 ||
            rte_eth_dev_rx_intr_disable(ethdev->id, i) != 0)
            return false;
    return true;
}

/* With an interrupt for each queue, or, where the driver has none or too few, without. */
static bool
start_pci(struct port *port, struct ethdev *ethdev, const char *address, struct failure *failure)
{
    ethdev->interrupts = pci_has_queue_interrupts(address);
    if (ethdev->interrupts) {
        if (start_queues(port, ethdev, failure) && can_watch(ethdev))
            return true;
        RTE_LOG(NOTICE, USER1, "%s has no interrupts for its queues: it is polled\n", port->name);
        rte_eth_dev_stop(ethdev->id);
        ethdev->interrupts = false;
    }
    return start_queues(port, ethdev, failure);
}

static bool
start_device(struct port *port, struct ethdev *ethdev, json_t *request, struct failure *failure)
{
    if (is_kind(port, "pci"))
        return start_pci(port, ethdev, port_text(request, "address"), failure);
    ethdev->interrupts = is_kind(port, "tap");
    return start_queues(port, ethdev, failure);
}

static bool
bring_up_device(struct port *port, struct ethdev *ethdev, json_t *request, struct failure *failure)
{
    return probe(port, ethdev, request, failure) &&
           region_map_device(port->region, ethdev->device, failure) &&
           start_device(port, ethdev, request, failure);
}

/* Notes what the driver opened, whether or not it got to the end. */
static bool
try_xdp(struct port *port, struct ethdev *ethdev, json_t *request, struct failure *failure)
{
    struct xdp_descriptors before;
    bool up;

    if (!make_private_pool(port, ethdev, failure))
        return false;
    xdp_find(&before);
    up = bring_up_device(port, ethdev, request, failure);
    xdp_find(&ethdev->xdp);
    xdp_subtract(&ethdev->xdp, &before);
    return up;
}

/* The kernel frees an interface's queue a while after the last socket on it was closed. */
static bool
bring_up_xdp(struct port *port, struct ethdev *ethdev, json_t *request, struct failure *failure)
{
    if (!open_kernel_side(port, ethdev, request, failure))
        return false;
    for (unsigned attempt = 0; attempt < XDP_ATTEMPTS; attempt++) {
        if (attempt != 0)
            usleep(XDP_PAUSE);
        if (try_xdp(port, ethdev, request, failure))
            return true;
        device_remove(ethdev);
    }
    return false;
}

bool
port_ethdev_open(struct port *port, json_t *request, struct failure *failure)
{
    struct ethdev *ethdev = calloc(1, sizeof(*ethdev));
    bool up;

    if (ethdev == NULL)
        return fail(failure, "no memory for a port");
    ethdev->kernel.socket = -1;
    up = is_kind(port, "af_xdp") ? bring_up_xdp(port, ethdev, request, failure)
                                 : bring_up_device(port, ethdev, request, failure);
    if (!up) {
        ethdev_remove(ethdev);
        return false;
    }
    port->state = ethdev;
    describe_port(port, ethdev);
    share_out(port, ethdev);
    return true;
}

# SPDX-License-Identifier: BSD-3-Clause
"""Builds ``onvm_runtime._control``: the C control client and the counters, for Python.

Declarations name the fields that Python reads; the compiler takes every size, offset and
constant from the protocol headers, so the layout of the ABI is written down once, in C.
"""

from cffi import FFI

NATIVE = "onvm_runtime/native"

DECLARATIONS = """
#define ONVM_ABI_VERSION ...
#define ONVM_CONTROL_MAGIC ...
static char *const ONVM_CONTROL_SOCKET;
#define ONVM_COUNTERS_MAGIC ...
#define ONVM_LATENCY_MAGIC ...
#define ONVM_HISTOGRAM_LINEAR ...
#define ONVM_HISTOGRAM_BUCKETS ...
#define ONVM_MAX_PORTS ...
#define ONVM_MAX_CHAINS ...
#define ONVM_MAX_HOPS ...
#define ONVM_MAX_NFS ...
#define ONVM_MAX_WORKERS ...
#define ONVM_MAX_BRANCHES ...
#define ONVM_NAME_MAX ...
#define ONVM_VERDICT_DROP ...
#define ONVM_VERDICT_NEXT ...
#define ONVM_VERDICT_TO ...
#define ONVM_VERDICT_OUT ...
#define ONVM_DROP_REASON_COUNT ...
#define ONVM_TRACE_RECORDS ...
#define ONVM_TRACE_PROBE ...
#define ONVM_TRACE_ENTERED ...
#define ONVM_TRACE_HANDLED ...
#define ONVM_TRACE_ENDED ...

struct onvm_drop_reason_text {
    const char *name, *who, *text;
};
const struct onvm_drop_reason_text *onvm_drop_reason_text(unsigned reason);

struct onvm_flow_count {
    uint64_t packets;
    uint64_t bytes;
};

struct onvm_port_counters {
    struct onvm_flow_count rx;
    struct onvm_flow_count tx;
    uint64_t rx_missed;
    uint64_t rx_errors;
    uint64_t tx_dropped;
    uint64_t rx_segmented;
    uint64_t rx_checksummed;
    ...;
};

struct onvm_chain_counters {
    struct onvm_flow_count in;
    struct onvm_flow_count out;
    uint64_t dropped;
    ...;
};

struct onvm_nf_view {
    uint64_t given;
    uint64_t returned;
    uint64_t faults;
    uint64_t reclaimed;
    ...;
};

struct onvm_worker_counters {
    uint64_t loops;
    uint64_t sleeps;
    uint64_t cycles;
    uint64_t busy_cycles;
    uint64_t buffers;
    uint64_t buffers_out;
    uint64_t buffers_queued;
    uint64_t flows;
    uint64_t flow_hits;
    uint64_t flow_misses;
    uint64_t dropped[...];
    struct onvm_port_counters port[...];
    struct onvm_chain_counters chain[...];
    struct onvm_nf_view nf[...];
    ...;
};

struct onvm_node_counters {
    uint64_t magic;
    uint32_t abi;
    uint32_t workers;
    struct onvm_worker_counters worker[...];
    ...;
};

struct onvm_nf_counters {
    uint64_t magic;
    uint32_t abi;
    struct onvm_flow_count rx;
    uint64_t verdict[...];
    uint64_t edge_full;
    uint64_t bursts;
    uint64_t sleeps;
    uint64_t handler_cycles;
    uint64_t dropped[...];
    struct onvm_flow_count hop[...][...];
    ...;
};

struct onvm_histogram {
    uint64_t sum;
    uint64_t max;
    uint64_t bucket[...];
    ...;
};

struct onvm_hop_latency {
    struct onvm_histogram wait;
    struct onvm_histogram handling;
    ...;
};

struct onvm_chain_latency {
    struct onvm_histogram wait;
    struct onvm_histogram total;
    ...;
};

struct onvm_trace_record {
    uint64_t at;
    uint64_t took;
    uint32_t buffer;
    uint32_t id;
    uint32_t flow;
    uint16_t chain;
    uint16_t argument;
    uint16_t length;
    uint8_t kind;
    uint8_t hop;
    uint8_t verdict;
    uint8_t port;
    uint8_t span;
    uint8_t headed;
    uint8_t head[...];
};

struct onvm_trace {
    uint64_t written;
    struct onvm_trace_record record[...];
    ...;
};

struct onvm_nf_latency {
    uint64_t magic;
    uint32_t abi;
    struct onvm_trace trace;
    struct onvm_trace probes;
    struct onvm_hop_latency hop[...][...];
    ...;
};

struct onvm_worker_latency {
    struct onvm_trace trace;
    struct onvm_trace probes;
    struct onvm_chain_latency chain[...];
    ...;
};

struct onvm_node_latency {
    uint64_t magic;
    uint32_t abi;
    uint32_t workers;
    struct onvm_worker_latency worker[...];
    ...;
};

struct onvm_control_received {
    uint32_t number;
    uint32_t length;
    char *text;
    int fd;
};

int onvm_control_connect(const char *path);
int onvm_control_send(int socket, uint32_t number, const char *text, size_t length);
int onvm_control_receive(int socket, struct onvm_control_received *received);
void onvm_control_release(struct onvm_control_received *received);
const struct onvm_node_counters *onvm_control_map_node(int fd);
const struct onvm_nf_counters *onvm_control_map_nf(int fd);
void onvm_control_unmap_node(const struct onvm_node_counters *counters);
void onvm_control_unmap_nf(const struct onvm_nf_counters *counters);
const struct onvm_node_latency *onvm_control_map_node_latency(int fd);
const struct onvm_nf_latency *onvm_control_map_nf_latency(int fd);
void onvm_control_unmap_node_latency(const struct onvm_node_latency *latency);
void onvm_control_unmap_nf_latency(const struct onvm_nf_latency *latency);
"""

ffibuilder = FFI()
ffibuilder.cdef(DECLARATIONS)
ffibuilder.set_source(
    "onvm_runtime._control",
    """
    #include "control/control.h"
    #include "protocol/descriptor.h"
    """,
    sources=[f"{NATIVE}/control/control.c", f"{NATIVE}/control/counters.c"],
    include_dirs=[NATIVE],
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-std=gnu11", "-Wall", "-Wextra"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)

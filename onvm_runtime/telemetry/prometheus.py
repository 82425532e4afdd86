# SPDX-License-Identifier: BSD-3-Clause
"""The text that Prometheus reads (prometheus.io, text exposition format 0.0.4).

Names follow Prometheus' conventions: base units, `_total` for what only grows.
docs/manager.md lists all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from onvm_runtime.telemetry.counters import FlowCount
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from onvm_runtime.telemetry.histograms import Histogram, upper
from onvm_runtime.telemetry.latency import Latency
from onvm_runtime.telemetry.snapshot import ChainStats, NfStats, PortStats, Snapshot

Labelled = tuple[list[str], float]

LATENCY_BOUNDS = tuple(2**power * 1e-6 for power in range(21))  # 1 us to about 1 s

_PORT_COUNTERS = {
    "rx_missed": "Frames lost before the path saw them.",
    "rx_errors": "Frames refused by the device, or malformed.",
    "tx_dropped": "Frames that found the transmit queue full.",
    "rx_segmented": "Large segments of a kernel peer that were cut into frames.",
    "rx_checksummed": "Checksums that a kernel peer had left unfinished.",
}
_NF_COUNTERS = {
    "given": "Packets put into the NF's input edge at ingress.",
    "returned": "Packets accepted from the NF by the data plane.",
    "faults": "Descriptors of the NF that broke the protocol.",
    "reclaimed": "Buffers taken back after the NF died.",
    "edge_full": "Packets dropped because the next NF's edge was full.",
    "bursts": "Bursts handled.",
    "sleeps": "Times that the NF went to sleep.",
    "handler_cycles": "TSC cycles inside the handler.",
}
_WORKER_COUNTERS = {
    "loops": "Turns of the worker's loop.",
    "sleeps": "Times that the worker went to sleep.",
    "cycles": "TSC cycles since the worker started.",
    "busy_cycles": "TSC cycles in turns that moved a packet.",
    "packets": "Packets that the worker received.",
}


@dataclass(frozen=True)
class NfFacts:
    """What the manager knows of an instance."""

    name: str
    service: str
    state: str
    restarts: int


@dataclass(frozen=True)
class ServiceFacts:
    """What the manager knows of a service.

    draining  instances on their way out, beside `replicas`
    scalings  by its policy, since the manager started
    """

    name: str
    replicas: int
    draining: int
    scalings: int


@dataclass(frozen=True)
class ManagerFacts:
    """What the manager itself has to report."""

    version: str
    dataplane_up: bool
    dataplane_restarts: int
    nfs: tuple[NfFacts, ...]
    ports_up: tuple[tuple[str, bool], ...]
    links_up: tuple[tuple[str, str, bool], ...] = ()
    services: tuple[ServiceFacts, ...] = ()


def exposition(facts: ManagerFacts, snapshot: Snapshot | None, latency: Latency | None) -> bytes:
    """The page /metrics.  Without a data plane there are no counters and no latencies."""
    registry = CollectorRegistry()
    registry.register(_Collector(facts, snapshot, latency))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(
        self, facts: ManagerFacts, snapshot: Snapshot | None, latency: Latency | None
    ) -> None:
        self._facts = facts
        self._snapshot = snapshot
        self._latency = latency

    def collect(self) -> Iterator[Metric]:
        """All metrics, one family at a time."""
        yield from _manager(self._facts)
        if self._snapshot is not None:
            yield from _node(self._snapshot)
            yield from _ports(self._snapshot.ports)
            yield from _chains(self._snapshot.chains)
            yield from _nfs(self._snapshot.nfs)
        if self._latency is not None:
            yield _latencies(self._latency)


def _counter(name: str, text: str, labels: list[str], samples: Iterable[Labelled]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _gauge(name: str, text: str, labels: list[str], samples: Iterable[Labelled]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _flow_counters(
    prefix: str, what: str, labels: list[str], counts: list[tuple[list[str], FlowCount]]
) -> Iterator[Metric]:
    for unit in ("packets", "bytes"):
        yield _counter(
            f"{prefix}_{unit}",
            f"{unit.capitalize()} {what}.",
            labels,
            [(values, getattr(count, unit)) for values, count in counts],
        )


def _manager(facts: ManagerFacts) -> Iterator[Metric]:
    yield _gauge(
        "onvm_manager_info", "Version of the manager.", ["version"], [([facts.version], 1)]
    )
    yield _gauge(
        "onvm_dataplane_up",
        "1 while the manager is connected to the data plane.",
        [],
        [([], facts.dataplane_up)],
    )
    yield _counter(
        "onvm_dataplane_restarts",
        "Data planes started in place of a dead one.",
        [],
        [([], facts.dataplane_restarts)],
    )
    yield _gauge(
        "onvm_nf_state",
        "1 for the state that the instance is in.",
        ["nf", "service", "state"],
        [([nf.name, nf.service, nf.state], 1) for nf in facts.nfs],
    )
    yield _counter(
        "onvm_nf_restarts",
        "Restarts of an instance that ended by itself.",
        ["nf", "service"],
        [([nf.name, nf.service], nf.restarts) for nf in facts.nfs],
    )
    yield _gauge(
        "onvm_service_replicas",
        "Instances that the service shall have, and those that drain on their way out.",
        ["service", "state"],
        [
            ([service.name, state], count)
            for service in facts.services
            for state, count in (("wanted", service.replicas), ("draining", service.draining))
        ],
    )
    yield _counter(
        "onvm_service_scalings",
        "Changes of the number of instances by the service's policy.",
        ["service"],
        [([service.name], service.scalings) for service in facts.services],
    )
    yield _gauge(
        "onvm_port_up",
        "1 while the port is open and has a link.",
        ["port"],
        [([name], up) for name, up in facts.ports_up],
    )
    yield _gauge(
        "onvm_link_up",
        "1 while packets pass a link to another node in both directions.",
        ["link", "node"],
        [([name, peer], up) for name, peer, up in facts.links_up],
    )


def _node(snapshot: Snapshot) -> Iterator[Metric]:
    node = snapshot.node
    drops = [([r.name, r.who], float(node.drops[r.name])) for r in DROP_REASONS]
    yield _counter(
        "onvm_drops", "Packets that ended before an egress port.", ["reason", "who"], drops
    )
    yield _gauge(
        "onvm_buffers",
        "Buffers of the packet region: all, and who has them.",
        ["state"],
        [
            (["total"], node.buffers),
            (["nfs"], node.buffers_out),
            (["dataplane"], node.buffers_queued),
        ],
    )
    yield _gauge("onvm_flows", "Entries of the flow table.", [], [([], node.flows)])
    yield _counter(
        "onvm_flow_lookups",
        "Look-ups in the flow table.",
        ["result"],
        [(["hit"], node.flow_hits), (["miss"], node.flow_misses)],
    )
    for name, text in _WORKER_COUNTERS.items():
        counts = [([str(i)], getattr(worker, name)) for i, worker in enumerate(node.workers)]
        yield _counter(f"onvm_worker_{name}", text, ["worker"], counts)


def _ports(ports: tuple[PortStats, ...]) -> Iterator[Metric]:
    counts = [([p.name, way], getattr(p.counters, way)) for p in ports for way in ("rx", "tx")]
    yield from _flow_counters("onvm_port", "received and sent", ["port", "direction"], counts)
    for name, text in _PORT_COUNTERS.items():
        yield _counter(
            f"onvm_port_{name}",
            text,
            ["port"],
            [([p.name], getattr(p.counters, name)) for p in ports],
        )


def _chains(chains: tuple[ChainStats, ...]) -> Iterator[Metric]:
    labels = ["chain", "id", "way"]
    for name, what in (("entered", "classified into the chain"), ("left", "that left by a port")):
        counts = [(_chain_labels(c), getattr(c.counters, name)) for c in chains]
        yield from _flow_counters(f"onvm_chain_{name}", what, labels, counts)
    yield _counter(
        "onvm_chain_dropped",
        "Packets that ended on the way.",
        labels,
        [(_chain_labels(c), c.counters.dropped) for c in chains],
    )
    yield _gauge(
        "onvm_chain_in_flight",
        "Packets that are on the way.",
        labels,
        [(_chain_labels(c), c.in_flight) for c in chains],
    )
    hops = [
        ([*_chain_labels(c), str(hop.hop), hop.service], hop.handled)
        for c in chains
        for hop in c.hops
    ]
    yield from _flow_counters("onvm_hop", "handled at the hop", [*labels, "hop", "service"], hops)


def _chain_labels(chain: ChainStats) -> list[str]:
    return [chain.name, str(chain.id), "reverse" if chain.reverse else "forward"]


def _latencies(latency: Latency) -> Metric:
    family = HistogramMetricFamily(
        "onvm_latency_seconds",
        "What sampled packets took in each stage of a chain.",
        labels=["chain", "id", "way", "hop", "service", "stage"],
    )
    for chain in latency.chains:
        way = "reverse" if chain.reverse else "forward"
        for hop, service, stage, times in chain.stages():
            if times.buckets:
                labels = [chain.name, str(chain.id), way, hop, service, stage]
                family.add_metric(labels, _bounded(times), sum_value=times.sum)
    return family


def _bounded(times: Histogram) -> list[tuple[str, float]]:
    """Counts up to each bound; a bucket that a bound cuts counts above it."""
    counts = [(upper(bucket) / times.hz, count) for bucket, count in times.cumulative()]
    below = [max((n for top, n in counts if top <= bound), default=0) for bound in LATENCY_BOUNDS]
    return [
        *((f"{bound:g}", count) for bound, count in zip(LATENCY_BOUNDS, below, strict=True)),
        ("+Inf", times.count),
    ]


def _nfs(nfs: tuple[NfStats, ...]) -> Iterator[Metric]:
    labels = ["nf", "service"]
    yield from _flow_counters(
        "onvm_nf", "handled by the NF", labels, [([n.name, n.service], n.counters.rx) for n in nfs]
    )
    for name, text in _NF_COUNTERS.items():
        yield _counter(
            f"onvm_nf_{name}",
            text,
            labels,
            [([n.name, n.service], getattr(n.counters, name)) for n in nfs],
        )
    yield _counter(
        "onvm_nf_verdicts",
        "Verdicts of the NF.",
        [*labels, "verdict"],
        [
            ([n.name, n.service, verdict], count)
            for n in nfs
            for verdict, count in n.counters.verdicts.items()
        ],
    )
    yield _counter(
        "onvm_nf_drops",
        "Packets that the NF dropped.",
        [*labels, "reason"],
        [
            ([n.name, n.service, reason], count)
            for n in nfs
            for reason, count in n.counters.drops.items()
            if count
        ],
    )

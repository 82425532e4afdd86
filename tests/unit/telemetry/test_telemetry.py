# SPDX-License-Identifier: BSD-3-Clause
"""Counters as Python objects, rates, and the text for Prometheus."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from onvm_runtime._control import ffi, lib
from onvm_runtime.control import Region
from onvm_runtime.telemetry import drop_reasons, prometheus, snapshot
from onvm_runtime.telemetry.counters import FlowCount
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from onvm_runtime.telemetry.rates import Rate, rate

DOCS = Path(__file__).parents[3] / "docs"
STATUS = {
    "ports": [{"name": "client", "id": 2}],
    "nfs": [
        {"name": "wall-1", "id": 4, "service": "wall"},
        {"name": "wall-2", "id": 5, "service": "wall"},
        {"name": "late-1", "id": 6, "service": "late"},
    ],
    "chains": [{"id": 9, "name": "web", "reverse": False, "draining": False, "in_flight": 3}],
}
PATHS = {9: ["wall", "late"]}
FACTS = prometheus.ManagerFacts(
    version="0.1.0",
    dataplane_up=True,
    dataplane_restarts=2,
    nfs=(prometheus.NfFacts("wall-1", "wall", "running", 5),),
    ports_up=(("client", True),),
)


def mapped(kind: str, **counters: Any) -> Region:
    """A region of counters; `counters` are set on it before it is mapped."""
    raw = ffi.new(f"struct onvm_{kind}_counters *")
    raw.magic, raw.abi = lib.ONVM_COUNTERS_MAGIC, lib.ONVM_ABI_VERSION
    counters["fill"](raw)
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, bytes(ffi.buffer(raw)))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return Region(fd, kind)


def fill_node(raw: Any) -> None:
    """Two workers, which counted this together."""
    raw.workers = 2
    first, second = raw.worker[0], raw.worker[1]
    first.cycles, first.busy_cycles, first.loops = 1000, 250, 7
    for worker in (first, second):
        worker.buffers, worker.buffers_out, worker.buffers_queued = 512, 10, 2
        worker.flow_hits, worker.flow_misses, worker.flows = 45, 5, 4
    second.dropped[DROP_REASONS[-1].number] = 11
    first.port[2].rx.packets, first.port[2].rx.bytes, first.port[2].tx_dropped = 70, 4480, 1
    second.port[2].rx.packets, second.port[2].rx.bytes = 30, 1920
    getattr(first.chain[9], "in").packets = 70
    getattr(second.chain[9], "in").packets = 30
    first.chain[9].out.packets, second.chain[9].dropped = 90, 7
    first.nf[4].given, second.nf[4].given, second.nf[4].faults = 40, 20, 2
    raw.worker[2].flows = 1000  # of a worker that is not there


def fill_nf(packets: int) -> Any:
    def fill(raw: Any) -> None:
        raw.rx.packets = packets
        raw.verdict[lib.ONVM_VERDICT_NEXT] = packets - 1
        raw.verdict[lib.ONVM_VERDICT_DROP] = 1
        raw.hop[9][0].packets, raw.hop[9][0].bytes = packets, packets * 64
        raw.hop[9][1].packets = 1000  # of a service that is not this NF's
        raw.hop[8][0].packets = 1000  # of a chain that nobody asked for

    return fill


@pytest.fixture
def taken() -> snapshot.Snapshot:
    own = {"wall-1": mapped("nf", fill=fill_nf(60)), "wall-2": mapped("nf", fill=fill_nf(40))}
    return snapshot.take(STATUS, mapped("node", fill=fill_node), own, PATHS)


def test_each_worker_is_shown_by_itself_too(taken: snapshot.Snapshot) -> None:
    first, second = taken.node.workers
    assert (first.loops, first.cycles, first.busy_cycles) == (7, 1000, 250)
    assert (first.packets, second.packets) == (70, 30)
    assert (taken.node.buffers, taken.node.flows) == (1024, 8)


def test_ports_and_chains_carry_their_names(taken: snapshot.Snapshot) -> None:
    (port,), (chain,) = taken.ports, taken.chains
    assert (port.name, port.counters.rx, port.counters.tx_dropped) == (
        "client",
        FlowCount(100, 6400),
        1,
    )
    assert (chain.name, chain.counters.entered.packets, chain.counters.left.packets) == (
        "web",
        100,
        90,
    )
    assert (chain.counters.dropped, chain.in_flight) == (7, 3)


def test_a_hop_is_the_sum_of_its_services_instances(taken: snapshot.Snapshot) -> None:
    hops = taken.chains[0].hops
    assert [(hop.service, hop.handled.packets) for hop in hops] == [("wall", 100), ("late", 0)]
    assert hops[0].handled.bytes == 6400


def test_an_nf_that_nobody_mapped_is_left_out(taken: snapshot.Snapshot) -> None:
    assert [nf.name for nf in taken.nfs] == ["wall-1", "wall-2"]
    assert taken.nfs[0].counters.given == 60
    assert taken.nfs[0].counters.verdicts == {"drop": 1, "next": 59, "to": 0, "out": 0}


def test_every_drop_reason_is_counted_by_its_name(taken: snapshot.Snapshot) -> None:
    assert list(taken.node.drops) == [reason.name for reason in DROP_REASONS]
    assert {name for name, count in taken.node.drops.items() if count} == {DROP_REASONS[-1].name}


def test_the_table_of_drop_reasons_is_read_whole() -> None:
    assert len(DROP_REASONS) == lib.ONVM_DROP_REASON_COUNT
    assert [reason.number for reason in DROP_REASONS] == list(range(len(DROP_REASONS)))
    assert {reason.who for reason in DROP_REASONS} == {"path", "nf", "fault"}
    assert DROP_REASONS[0].name == "no_chain"


def test_the_page_on_drop_reasons_is_the_generated_one() -> None:
    assert (DOCS / "drop-reasons.md").read_text() == drop_reasons.markdown()


@pytest.mark.parametrize(
    ("before", "after", "seconds", "expected"),
    [
        (FlowCount(0, 0), FlowCount(100, 1000), 2.0, Rate(50.0, 4000.0)),
        (FlowCount(100, 1000), FlowCount(100, 1000), 1.0, Rate(0.0, 0.0)),
        (FlowCount(500, 5000), FlowCount(10, 100), 1.0, Rate(10.0, 800.0)),  # began anew
        (FlowCount(0, 0), FlowCount(100, 1000), 0.0, Rate(0.0, 0.0)),
    ],
)
def test_rates(before: FlowCount, after: FlowCount, seconds: float, expected: Rate) -> None:
    assert rate(before, after, seconds) == expected


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("onvm_port_packets_total", {"port": "client", "direction": "rx"}, 100),
        ("onvm_port_bytes_total", {"port": "client", "direction": "rx"}, 6400),
        ("onvm_port_tx_dropped_total", {"port": "client"}, 1),
        ("onvm_port_up", {"port": "client"}, 1),
        ("onvm_chain_entered_packets_total", {"chain": "web", "id": "9", "way": "forward"}, 100),
        ("onvm_chain_left_packets_total", {"chain": "web", "id": "9", "way": "forward"}, 90),
        ("onvm_chain_dropped_total", {"chain": "web", "id": "9", "way": "forward"}, 7),
        ("onvm_chain_in_flight", {"chain": "web", "id": "9", "way": "forward"}, 3),
        (
            "onvm_hop_packets_total",
            {"chain": "web", "id": "9", "way": "forward", "hop": "0", "service": "wall"},
            100,
        ),
        ("onvm_nf_packets_total", {"nf": "wall-2", "service": "wall"}, 40),
        ("onvm_nf_faults_total", {"nf": "wall-1", "service": "wall"}, 2),
        ("onvm_nf_verdicts_total", {"nf": "wall-1", "service": "wall", "verdict": "next"}, 59),
        ("onvm_drops_total", {"reason": DROP_REASONS[-1].name, "who": DROP_REASONS[-1].who}, 11),
        ("onvm_buffers", {"state": "nfs"}, 20),
        ("onvm_flows", {}, 8),
        ("onvm_flow_lookups_total", {"result": "hit"}, 90),
        ("onvm_dataplane_up", {}, 1),
        ("onvm_dataplane_restarts_total", {}, 2),
        ("onvm_nf_restarts_total", {"nf": "wall-1", "service": "wall"}, 5),
        ("onvm_nf_state", {"nf": "wall-1", "service": "wall", "state": "running"}, 1),
        ("onvm_manager_info", {"version": "0.1.0"}, 1),
    ],
)
def test_metrics(taken: snapshot.Snapshot, name: str, labels: dict[str, str], value: int) -> None:
    page = samples(prometheus.exposition(FACTS, taken, None))
    assert page[name, tuple(sorted(labels.items()))] == value


def test_without_a_data_plane_there_are_only_the_managers_facts() -> None:
    page = samples(prometheus.exposition(FACTS, None, None))
    assert ("onvm_manager_info", (("version", "0.1.0"),)) in page
    assert not [name for name, _ in page if name.startswith("onvm_drops")]


def test_the_dashboard_asks_for_counters_that_a_node_has(
    taken: snapshot.Snapshot, checkout: Path
) -> None:
    known = {name for name, _ in samples(prometheus.exposition(FACTS, taken, None))}
    text = (checkout / "roles/observability/vars/main.yml").read_text()
    panels = yaml.safe_load(text)["onvm_observability_panels"]
    asked = [query["expr"] for panel in panels for query in panel["queries"]]
    assert len(asked) > len(panels)
    assert {name for expr in asked for name in re.findall(r"onvm_\w+", expr)} <= known

# SPDX-License-Identifier: BSD-3-Clause
"""Slow and stopped NFs at full load: their chains are shed at ingress, others keep their rate."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import wrpcap

from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from tests.dataplane.plane import Plane, eventually
from tests.dataplane.test_path import CHAIN, FRAMES, frame

MANY = 20_000  # packets of a measurement
MOST = 400_000  # where a window of packets on the way, or a pause between two counts, must not show
PATIENCE = 30.0  # seconds; reached only when something is wrong
LONG = ["a", "b", "c", "d", "slow"]
SHORT = ["a", "b"]
LIGHT = 20  # cycles that an NF spends on a packet; a slow one spends ten times as many
WASTE = 0.001  # of the packets that entered a chain: the most that may end on their way


@pytest.fixture(params=["0", "0,1"], ids=["one worker", "two workers"])
def cores(request: pytest.FixtureRequest) -> str:
    """The CPUs of workers."""
    return str(request.param)


@pytest.fixture
def plane(start_plane: Callable[..., Plane], cores: str) -> Plane:
    """A data plane with 4096 buffers for each worker."""
    return start_plane("--cores", cores, "--buffers", str(4096 * (cores.count(",") + 1)))


def start(plane: Plane, *services: str, **costs: int) -> None:
    """Starts the first instance of each service; `costs` of some in cycles a packet."""
    for service in services:
        parameters = {"cost": costs.get(service, LIGHT)}
        plane.start_nf(f"{service}-1", service=service, parameters=parameters)


def run(plane: Plane, **paths: list[str]) -> None:
    """Endless traffic from a port of its own for each chain."""
    plane.request("port.add", name="out", kind="null")
    for name in paths:
        plane.request("port.add", name=name, kind="null")
    ids = {name: i for i, name in enumerate(paths, 1)}
    plane.plan(
        [{"id": ids[n], "name": n, "egress": "out", "path": path} for n, path in paths.items()],
        [{"chain": ids[n], "priority": 0, "port": n} for n in paths],
    )
    for chain in ids.values():
        left = plane.counters().chain[chain].out
        eventually(lambda left=left: left.packets > 1000, "traffic flows")


def stop(plane: Plane) -> None:
    """Ends the traffic, in which every worker had a part; every buffer comes back."""
    assert all(getattr(worker.chain[1], "in").packets > 0 for worker in plane.workers())
    plane.plan([])
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")
    for port in plane.request("status")["ports"]:
        plane.request("port.remove", name=port["name"])
    buffers = plane.request("status")["buffers"]
    assert buffers["free"] == buffers["total"]


def left(plane: Plane, chain: int) -> int:
    """Packets that left a chain by its port so far."""
    return int(plane.counters().chain[chain].out.packets)


def handled(plane: Plane, name: str) -> Callable[[], int]:
    """Tells how many packets an instance handled so far."""
    region: Any = plane.loop.run_until_complete(plane.control.nf_counters(name))
    return lambda: int(region.counters.rx.packets)


def grown(packets: int, *counts: Callable[[], int]) -> list[int]:
    """By how much each count grows until the first has grown by `packets`.

    Counts of one stretch of time, so that a machine that is busy elsewhere changes no ratio.
    """
    before = [count() for count in counts]
    eventually(lambda: counts[0]() - before[0] >= packets, f"{packets} packets", PATIENCE)
    return [count() - then for count, then in zip(counts, before, strict=True)]


def dropped(plane: Plane, reason: str) -> int:
    """Packets that ended for a reason so far."""
    number = next(r.number for r in DROP_REASONS if r.name == reason)
    return int(plane.counters().dropped[number])


@contextmanager
def little_waste(plane: Plane, chain: int) -> Iterator[None]:
    """Asserts that meanwhile nearly nothing was dropped behind ingress, and much before."""
    wasted, shed = dropped(plane, "edge_full"), dropped(plane, "backpressure")
    passed = left(plane, chain)
    yield
    wasted, shed = dropped(plane, "edge_full") - wasted, dropped(plane, "backpressure") - shed
    passed = left(plane, chain) - passed
    assert shed > 0, "the load is more than the chain can carry"
    assert wasted <= WASTE * (wasted + passed), f"{wasted} wasted, {passed} passed"


def test_a_slow_nf_at_the_end_wastes_no_work_before_it(plane: Plane) -> None:
    start(plane, *LONG, slow=10 * LIGHT)
    run(plane, long=LONG)
    with little_waste(plane, 1):
        grown(MANY, lambda: left(plane, 1))
    stop(plane)


def test_a_chain_keeps_its_share_of_nfs_that_a_slow_one_uses_too(plane: Plane) -> None:
    start(plane, *LONG, slow=10 * LIGHT)
    run(plane, long=LONG, short=SHORT)
    with little_waste(plane, 1):
        short, shared, long = grown(
            MOST, lambda: left(plane, 2), handled(plane, "a-1"), lambda: left(plane, 1)
        )
    assert short > 0.5 * shared, "half is fair, and the slow chain cannot use its half"
    assert short + long > 0.95 * shared, "what was shared served packets that left"
    stop(plane)


def test_chains_share_an_nf_alike(plane: Plane) -> None:
    start(plane, "a", a=500)
    run(plane, one=["a"], other=["a"])
    one, other = grown(MANY, lambda: left(plane, 1), lambda: left(plane, 2))
    assert 0.9 < one / other < 1.1
    stop(plane)


@pytest.mark.parametrize("stopped", ["c-1", "slow-1"])
def test_a_stopped_nf_stops_its_chain_at_ingress_and_no_other(plane: Plane, stopped: str) -> None:
    start(plane, *LONG)
    run(plane, long=LONG, short=SHORT)
    plane.nfs[stopped].send_signal(signal.SIGSTOP)
    grown(5000, lambda: left(plane, 2))

    wasted = dropped(plane, "edge_full")
    short, shared, long = grown(
        MOST, lambda: left(plane, 2), handled(plane, "a-1"), lambda: left(plane, 1)
    )
    assert short > 0.95 * shared, "the other chain has all of the NFs that they shared"
    assert long <= 4096, "what was behind the stopped NF already"
    assert dropped(plane, "edge_full") == wasted

    plane.nfs[stopped].send_signal(signal.SIGCONT)
    grown(MANY, lambda: left(plane, 1))
    stop(plane)


@pytest.mark.parametrize("path", [["r"], ["a", "r"]], ids=["first", "behind another"])
def test_one_stopped_replica_sheds_its_own_flows_only(
    plane: Plane, tmp_path: Path, path: list[str]
) -> None:
    start(plane, "a")
    for i in (1, 2, 3):
        plane.start_nf(f"r-{i}", service="r", parameters={"cost": LIGHT})
    wrpcap(str(tmp_path / "in.pcap"), [frame(i) for i in range(FRAMES)])
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null")
    plane.plan([{**CHAIN, "path": path}], default_chain=1)
    for i in range(len(plane.workers())):  # such a port has one queue, so one worker
        receive = str(tmp_path / "in.pcap")
        plane.request("port.add", name=f"in{i}", kind="pcap", receive=receive, loop=True)
    eventually(lambda: min(handled(plane, f"r-{i}")() for i in (1, 2, 3)) > 1000, "all have flows")

    plane.nfs["r-1"].send_signal(signal.SIGSTOP)
    grown(5000, lambda: left(plane, 1))
    wasted, passed = dropped(plane, "edge_full"), left(plane, 1)
    for i in (2, 3):
        grown(MANY // 2, handled(plane, f"r-{i}"))
    assert dropped(plane, "edge_full") - wasted <= WASTE * (left(plane, 1) - passed)

    plane.nfs["r-1"].send_signal(signal.SIGCONT)
    grown(MANY, handled(plane, "r-1"))
    stop(plane)

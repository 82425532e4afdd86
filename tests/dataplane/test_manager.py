# SPDX-License-Identifier: BSD-3-Clause
"""The manager with the real data plane and NFs as processes: deaths, rollouts, bad input."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.managed import Managed
from tests.dataplane.plane import eventually
from tests.dataplane.wire import Namespace, Traffic

PACE = 2000.0  # frames per second: far below what any machine can carry, so none may be lost
CHAIN = """
services:
  a: {nf: forward, replicas: 2}
  b: {nf: forward}
chains:
  - {name: web, match: {port: in}, path: [a, b], egress: out}
"""
NFS = ("a-1", "a-2", "b-1")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that NFs of another user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="onvm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Managed]]:
    """Makes a node with other keys in node.yml; it ends with the test."""
    nodes: list[Managed] = []

    def make_one(**keys: Any) -> Managed:
        nodes.append(Managed(directory, **keys))
        return nodes[-1]

    yield make_one
    for node in nodes:
        node.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"onvm-test-{os.getpid()}")
    for port in ("in", "out"):
        made.wire(port)
    yield made
    made.close()


@pytest.fixture
def node(make: Callable[..., Managed], namespace: Namespace) -> Managed:
    """A node that runs CHAIN between two ports."""
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(CHAIN)
    return node


@pytest.fixture
def traffic(node: Managed, namespace: Namespace) -> Iterator[Traffic]:
    """Frames that pass the chain all the time."""
    source, sink = namespace.socket("in"), namespace.socket("out")
    flowing = Traffic(source, sink, PACE)
    try:
        eventually(lambda: len(flowing.arrived) > 100, "traffic flows")
        yield flowing
    finally:
        flowing.stop()
        source.close()
        sink.close()


def pids(node: Managed) -> dict[str, int]:
    return {name: node.nf(name)["pid"] for name in NFS}


def test_twenty_deaths_of_the_manager_lose_no_packet(node: Managed, traffic: Traffic) -> None:
    before = pids(node), node.dataplane_pid()
    for _ in range(20):
        node.kill()
        time.sleep(0.05)
        node.start()
        eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert (pids(node), node.dataplane_pid()) == before
    assert traffic.stop() == 0, node.losses()


def test_a_dead_data_plane_is_replaced_within_two_seconds(node: Managed, traffic: Traffic) -> None:
    before, plane = pids(node), node.dataplane_pid()
    killed = time.monotonic()
    os.kill(plane, signal.SIGKILL)
    eventually(lambda: traffic.arrived and max(traffic.arrived.values()) > killed + 1, "traffic")
    assert traffic.gap_after(killed) < 2.0
    assert node.dataplane_pid() != plane
    assert pids(node) == before, "NFs attach again without being restarted"
    assert node.get("/v1/status")["dataplane"]["restarts"] == 1


def test_a_dead_nf_is_replaced_within_a_second(node: Managed, traffic: Traffic) -> None:
    before = pids(node)
    killed = time.monotonic()
    os.kill(before["b-1"], signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 1.5, "traffic")
    assert traffic.gap_after(killed) < 1.0
    after = node.nf("b-1")
    assert (after["restarts"], after["last_end"]) == (1, "was killed by SIGKILL")
    assert after["pid"] != before["b-1"]
    assert (pids(node)["a-1"], pids(node)["a-2"]) == (before["a-1"], before["a-2"])


def test_scaling_up_and_down_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    for replicas in (4, 1, 3, 2):
        node.post("/v1/services/a/scale", {"replicas": replicas})
        names = [nf["name"] for nf in node.get("/v1/nfs")["nfs"] if nf["service"] == "a"]
        assert names == [f"a-{n}" for n in range(1, replicas + 1)]
    assert traffic.stop() == 0, node.losses()


def test_a_rollout_under_traffic_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    longer = CHAIN.replace("path: [a, b]", "path: [b, c, a]").replace(
        "b: {nf: forward}",
        "b: {nf: forward, parameters: {swap_mac: true}}\n  c: {nf: flow_monitor}",
    )
    for text in (longer, CHAIN, longer, CHAIN):
        assert node.apply(text)["drained"]
    assert traffic.stop() == 0, node.losses()

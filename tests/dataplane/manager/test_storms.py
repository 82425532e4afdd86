# SPDX-License-Identifier: BSD-3-Clause
"""Storms: NFs and managers are killed and chains rolled out at full load, again and again.

However long it goes on, every buffer comes back, and a chain that has nothing to do with
any of it loses no packet.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import PACE, Namespace, Traffic
from tests.dataplane.plane import eventually

SERVICES = "services: {a: {nf: forward}, b: {nf: forward}, c: {nf: forward}, q: {nf: forward}}"
QUIET = "{name: quiet, match: {port: in}, path: [q], egress: out}"
VERSIONS = [
    f"{SERVICES}\nchains:\n  - {QUIET}\n"
    f"  - {{name: loud, match: {{port: flood}}, path: [{path}], egress: drain}}\n"
    for path in ("a, b, c", "c, a", "b")
]
CALM = f"{SERVICES}\nchains:\n  - {QUIET}\n"
VICTIMS = ("a-1", "b-1", "c-1")

Storm = Callable[[Managed, int], None]


@pytest.fixture
def storm_node(make: Callable[..., Managed], namespace: Namespace) -> Managed:
    """A node with a chain at full load, and a quiet one beside it."""
    node = make(
        ports=[
            namespace.port("in"),
            namespace.port("out"),
            {"name": "flood", "kind": "null"},
            {"name": "drain", "kind": "pcap", "transmit": "/dev/null"},
        ]
    )
    node.start()
    node.apply(VERSIONS[0])
    return node


@pytest.fixture
def quiet(storm_node: Managed, namespace: Namespace) -> Iterator[Traffic]:
    """Steady traffic through the quiet chain."""
    traffic = Traffic(namespace.socket("in"), namespace.socket("out"), PACE)
    eventually(lambda: len(traffic.arrived) > 100, storm_node.log())
    yield traffic
    traffic.stop()


def kill_an_nf(node: Managed, turn: int) -> None:
    """SIGKILL for an NF of the loud chain, whichever runs."""
    pid = node.nf(VICTIMS[turn % len(VICTIMS)]).get("pid")
    if pid:
        os.kill(pid, signal.SIGKILL)


def kill_the_manager(node: Managed, turn: int) -> None:  # noqa: ARG001
    """SIGKILL for the manager; another takes over."""
    node.kill()
    node.start()


def roll_out(node: Managed, turn: int) -> None:
    """Another version of the loud chain, unless NFs for it are down just now."""
    answer = node.post(
        "/v1/chains/apply", {"source": "storm.yml", "text": VERSIONS[turn % len(VERSIONS)]}
    )
    assert answer.is_success or answer.status_code in (409, 424, 503), answer.text


def stop_an_nf(node: Managed, turn: int) -> None:
    """SIGSTOP for an NF of the loud chain, then SIGCONT."""
    pid = node.nf(VICTIMS[turn % len(VICTIMS)]).get("pid")
    if pid:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(pid, signal.SIGCONT)


def buffers(node: Managed) -> tuple[int, int]:
    """Buffers that NFs hold, and those that nobody has."""
    plane: dict[str, Any] = node.get("/v1/status")["dataplane"]
    return plane["buffers_out"], plane["buffers_free"]


def settle(node: Managed, quiet: Traffic) -> None:
    """Ends the load; every buffer comes back, and no packet of the quiet chain is missing."""
    lost = quiet.stop()
    eventually(
        lambda: node.post("/v1/chains/apply", {"source": "calm.yml", "text": CALM}).is_success,
        "calm",
        30,
    )
    assert lost == 0, node.losses()
    eventually(lambda: buffers(node)[0] == 0, "NFs hold no buffer", 15)


@pytest.mark.parametrize(
    "rounds", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_storms_lose_no_buffer_and_no_packet_of_another_chain(
    storm_node: Managed, quiet: Traffic, rounds: int
) -> None:
    storms: Iterator[Storm] = cycle((kill_an_nf, roll_out, stop_an_nf, kill_the_manager, roll_out))
    for turn in range(rounds * 5):
        next(storms)(storm_node, turn)
    for victim in VICTIMS:
        eventually(lambda v=victim: storm_node.runs(v) or not storm_node.nf(v), "NFs are back", 60)
    settle(storm_node, quiet)

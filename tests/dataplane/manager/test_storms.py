# SPDX-License-Identifier: BSD-3-Clause
"""Storms: NFs and managers are killed and chains rolled out at full load, again and again.

However long it goes on, every buffer comes back, and a chain that has nothing to do with
any of it loses no packet.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.dataplane.manager.engine import Engine
from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import PACE, Namespace, Traffic
from tests.dataplane.plane import DATAPLANE, eventually

SERVICES = "services: {a: {nf: forward}, b: {nf: forward}, c: {nf: forward}, q: {nf: forward}}"
QUIET = "{name: quiet, match: {port: in}, path: [q], egress: out}"
VERSIONS = [
    f"{SERVICES}\nchains:\n  - {QUIET}\n"
    f"  - {{name: loud, match: {{port: flood}}, path: [{path}], egress: drain}}\n"
    for path in ("a, b, c", "c, a", "b")
]
CALM = f"{SERVICES}\nchains:\n  - {QUIET}\n"
VICTIMS = ("a-1", "b-1", "c-1")

Buffers = tuple[int, int]
Flow = Callable[[], Traffic]
Prepare = Callable[..., tuple[Managed, Buffers]]
Storm = Callable[[Managed, int], None]


@pytest.fixture
def prepare(make: Callable[..., Managed], namespace: Namespace) -> Prepare:
    """Makes a node with a chain at full load and a quiet one beside it; keys as in node.yml.

    Returns its buffers before there was any load, too.
    """

    def prepared(
        cores: list[int], environment: dict[str, str], **keys: Any
    ) -> tuple[Managed, Buffers]:
        node = make(
            dataplane={"program": str(DATAPLANE), "buffers": 4096 * len(cores), "cores": cores},
            ports=[
                namespace.port("in"),
                namespace.port("out"),
                {"name": "flood", "kind": "null"},
                {"name": "drain", "kind": "pcap", "transmit": "/dev/null"},
            ],
            **keys,
        )
        node.environment = environment
        node.start()
        node.apply(CALM)
        before = buffers(node)
        node.apply(VERSIONS[0])
        return node, before

    return prepared


@pytest.fixture
def flow(namespace: Namespace) -> Iterator[Flow]:
    """Starts steady traffic through the quiet chain."""
    started: list[Traffic] = []

    def start() -> Traffic:
        started.append(Traffic(namespace.socket("in"), namespace.socket("out"), PACE))
        eventually(lambda: len(started[-1].arrived) > 100, "the quiet chain carries traffic")
        return started[-1]

    yield start
    for traffic in started:
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


def buffers(node: Managed) -> Buffers:
    """Buffers that NFs hold, and those that nobody has, as the workers count them."""
    plane: dict[str, Any] = node.get("/v1/status")["dataplane"]
    return plane["buffers_out"], plane["buffers_free"]


def rage(node: Managed, storms: Sequence[Storm], rounds: int) -> None:
    """Each storm once a round, then waits until all NFs that there shall be are back."""
    for turn in range(rounds * len(storms)):
        storms[turn % len(storms)](node, turn)
    for victim in VICTIMS:
        eventually(
            lambda v=victim: node.runs(v) or not node.nf(v),
            lambda v=victim: f"{v} is back: {node.nf(v)}\n{node.log()[-4000:]}",
            60,
        )


def settle(node: Managed, quiet: Traffic, before: Buffers) -> None:
    """Ends the load; every buffer comes back, and no packet of the quiet chain is missing."""
    lost = quiet.stop()
    eventually(
        lambda: node.post("/v1/chains/apply", {"source": "calm.yml", "text": CALM}).is_success,
        "calm",
        30,
    )
    assert lost == 0, (quiet.sent, node.losses())
    eventually(lambda: buffers(node) == before, f"buffers are {before} again", 15)


STORMS = (kill_an_nf, roll_out, stop_an_nf, kill_the_manager, roll_out)
HUNDRED = (pytest.mark.long, pytest.mark.timeout(3600))


@pytest.mark.parametrize(
    ("rounds", "cores"),
    [
        (3, [0]),
        pytest.param(100, [0], marks=HUNDRED),
        pytest.param(100, [0, 1], marks=HUNDRED),
    ],
)
def test_storms_lose_no_buffer_and_no_packet_of_another_chain(
    prepare: Prepare, flow: Flow, rounds: int, cores: list[int]
) -> None:
    node, before = prepare(cores, {})
    quiet = flow()
    rage(node, STORMS, rounds)
    settle(node, quiet, before)


@pytest.mark.parametrize("rounds", [1, pytest.param(100, marks=HUNDRED)])
def test_restarts_of_the_engine_lose_no_buffer_and_no_packet_of_another_chain(
    engine: Engine, prepare: Prepare, flow: Flow, rounds: int
) -> None:
    def restart_the_engine(node: Managed, turn: int) -> None:  # noqa: ARG001
        engine.end(signal.SIGTERM if turn % 2 else signal.SIGKILL)
        engine.start()

    node, before = prepare([0], {"DOCKER_HOST": engine.address}, runtime="docker")
    quiet = flow()
    rage(node, (restart_the_engine, kill_an_nf, roll_out, restart_the_engine, *STORMS), rounds)
    settle(node, quiet, before)

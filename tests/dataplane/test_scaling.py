# SPDX-License-Identifier: BSD-3-Clause
"""Replicas come and go under traffic: established flows stay, new ones are spread evenly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dataplane.flows import IPV4, LASTING, NEW_FLOWS, Flows, number
from tests.dataplane.manager.wire import Namespace
from tests.dataplane.plane import Plane, eventually
from tests.dataplane.test_crash import dropped

NEW = 22_000  # flows in a stage: 5 % of a quarter of them are 4.3 standard deviations
MONITOR = {"max_flows": 262144, "idle_timeout": 86400}


class Scaled:
    """A stateful service `a` of flow monitors behind other hops, and what its replicas saw."""

    def __init__(self, plane: Plane, namespace: Namespace, before: list[str]) -> None:
        self.plane = plane
        for service in before:
            plane.start_nf(f"{service}-1", service=service)
        self.add(1)
        for port in ("in", "out"):
            plane.request("port.add", **namespace.port(port))
        plane.plan(
            [{"id": 1, "name": "web", "path": [*before, "a"], "egress": "out"}],
            [{"chain": 1, "priority": 0, "port": "in"}],
        )
        self.flows = Flows(namespace.socket("in", IPV4), namespace.socket("out", IPV4), set())

    def add(self, *replicas: int) -> None:
        """Starts replicas, and has them take part all at once."""
        wishes = {"service": "a", "parameters": MONITOR, "stateful": True, "weight": 0}
        for n in replicas:
            self.plane.start_nf(f"a-{n}", "flow_monitor", **wishes)
        self.plane.request("nf.weigh", weights={f"a-{n}": 1 for n in replicas})

    def ask(self, replica: int, **query: Any) -> Any:
        """Asks a replica."""
        return self.plane.request("nf.query", name=f"a-{replica}", request=query)["reply"]

    def lasting(self, replica: int, lost: int = 0) -> set[int]:
        """The established flows that a replica has ever seen."""
        with self.flows.paused(lost):  # it takes a while to sort thousands of flows
            flows = self.ask(replica, query="flows", top=1000, sort="packets")["flows"]
        return {number(flow) for flow in flows if number(flow) < LASTING}

    def count(self, *replicas: int) -> dict[int, int]:
        """How many flows each has seen."""
        return {n: self.ask(n, query="summary")["flows"] for n in replicas}

    def watch(self, *replicas: int) -> dict[int, float]:
        """How the next flows are spread: 1.0 is an even share."""
        self.pass_flows(300)
        before = self.count(*replicas)
        self.pass_flows(NEW)
        after = self.count(*replicas)
        new = {n: after[n] - before[n] for n in replicas}
        return {n: new[n] / sum(new.values()) * len(replicas) for n in replicas}

    def begin(self, numbers: range) -> None:
        """Has more flows begin that go on from then on."""
        self.flows.lasting = self.flows.lasting | set(numbers)
        self.pass_flows(2 * NEW_FLOWS * len(self.flows.lasting))

    def pass_flows(self, count: int, lost: int = 0) -> None:
        """Waits until this many flows have begun, and all that was sent by then has passed."""
        target = self.flows.begun + count
        eventually(lambda: self.flows.begun >= target, f"{count} flows begin", 60)
        sent = self.flows.sent - lost
        eventually(lambda: self.flows.arrived >= sent, f"{sent} frames arrive: {self.losses()}")

    def losses(self) -> str:
        """Where the node says that it has lost packets."""
        raw = self.plane.counters()
        ids = {p["name"]: p["id"] for p in self.plane.request("status")["ports"]}
        ports = {
            f"{name} {word}": getattr(raw.port[number], word)
            for name, number in ids.items()
            for word in ("rx_missed", "rx_errors", "tx_dropped")
        }
        counts = {**dropped(self.plane), **ports}
        return str({name: count for name, count in counts.items() if count})

    def stays(self, *replicas: int) -> bool:
        """Whether no established flow was seen by two of the replicas."""
        seen = [self.lasting(n) for n in replicas]
        return sum(map(len, seen)) == len(set.union(*seen))


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"onvm-scaling-{os.getpid()}")
    for port in ("in", "out"):
        made.wire(port)
    yield made
    made.close()


@pytest.fixture
def scale(
    start_plane: Callable[..., Plane], namespace: Namespace
) -> Iterator[Callable[..., Scaled]]:
    """Makes a chain of the hops given and the service that is scaled; traffic passes it."""
    made: list[Scaled] = []

    def make(*before: str) -> Scaled:
        plane = start_plane("--buffers", "8192", "--flows", "1048576")
        made.append(Scaled(plane, namespace, list(before)))
        made[-1].begin(range(400))
        return made[-1]

    yield make
    for scaled in made:
        scaled.flows.stop()


def even(shares: dict[int, float]) -> bool:
    """Whether each has its share, within 5 %."""
    return all(0.95 < share < 1.05 for share in shares.values())


@pytest.mark.parametrize("before", [(), ("f",)], ids=["at ingress", "in the middle of a chain"])
def test_scaling_1_2_4_3_loses_nothing_and_moves_no_established_flow(
    scale: Callable[..., Scaled], before: tuple[str, ...]
) -> None:
    scaled = scale(*before)
    scaled.add(2)
    scaled.begin(range(400, 500))
    assert even(scaled.watch(1, 2))
    scaled.add(3, 4)
    scaled.begin(range(500, 600))
    assert even(scaled.watch(1, 2, 3, 4))
    assert scaled.lasting(1) >= set(range(400)), "all were there before the others"

    scaled.plane.request("nf.weigh", weights={"a-4": 0})
    shares = scaled.watch(1, 2, 3, 4)
    assert shares.pop(4) == 0, "a replica that drains gets no new flows"
    assert all(0.95 < share * 3 / 4 < 1.05 for share in shares.values())
    assert scaled.plane.request("nf.flows", name="a-4")["flows"] > 0
    assert scaled.stays(1, 2, 3, 4)

    ended = scaled.lasting(4)
    scaled.flows.lasting = scaled.flows.lasting - ended
    scaled.pass_flows(2000)
    scaled.plane.request("nf.forget", name="a-4")
    scaled.pass_flows(2000)
    assert scaled.flows.stop() == 0, scaled.losses()
    assert ended
    assert scaled.stays(1, 2, 3)
    assert scaled.plane.request("status")["eras"]["moved"] == 0


def test_a_death_while_scaling_moves_no_flow_of_another_replica(
    scale: Callable[..., Scaled],
) -> None:
    scaled = scale("f")
    scaled.add(2)
    scaled.begin(range(400, 500))
    with_first = scaled.lasting(1)
    scaled.plane.kill_nf("a-2")
    lost = scaled.flows.give_up()
    scaled.add(3)
    scaled.pass_flows(2000, lost)
    assert scaled.lasting(1, lost) >= with_first >= set(range(400)), "its flows stay"
    assert not scaled.lasting(3, lost) & with_first
    assert scaled.flows.stop() == lost

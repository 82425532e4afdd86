# SPDX-License-Identifier: BSD-3-Clause
"""A stateful service is scaled through the manager, under traffic of many flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dataplane.flows import IPV4, LASTING, NEW_FLOWS, Flows, number
from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import Namespace
from tests.dataplane.plane import eventually

SPEC = """
services:
  a: {nf: flow_monitor, drain_seconds: 3600}
chains:
  - {name: web, match: {port: in}, path: [a], egress: out}
"""


@pytest.fixture
def scaled(make: Callable[..., Managed], namespace: Namespace) -> Managed:
    """A node with one flow monitor between two ports."""
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(SPEC)
    return node


@pytest.fixture
def flows(scaled: Managed, namespace: Namespace) -> Iterator[Flows]:  # noqa: ARG001
    """200 flows that go on, and ever new ones."""
    flowing = Flows(namespace.socket("in", IPV4), namespace.socket("out", IPV4), set(range(200)))
    yield flowing
    flowing.stop()


def scale(node: Managed, replicas: int) -> Any:
    """Scales the service; fails the test when that is refused."""
    response = node.post("/v1/services/a/scale", {"replicas": replicas})
    assert response.is_success, response.text
    return response.json()


def lasting(node: Managed, flows: Flows, replica: str) -> set[int]:
    """The established flows that a replica has ever seen."""
    query = {"query": "flows", "top": 1000, "sort": "packets"}
    with flows.paused():
        answer = node.post(f"/v1/nfs/{replica}/query", query).json()
    return {number(flow) for flow in answer["flows"] if number(flow) < LASTING}


def more(flows: Flows) -> None:
    """Waits until each lasting flow has sent more than once, and all of that has passed."""
    target = flows.begun + 3 * NEW_FLOWS * len(flows.lasting)
    eventually(lambda: flows.begun >= target, "flows begin", 60)
    sent = flows.sent
    eventually(lambda: flows.arrived >= sent, "frames arrive", 20)


def test_scaling_down_drains_over_a_death_of_the_manager(scaled: Managed, flows: Flows) -> None:
    more(flows)
    scale(scaled, 2)
    flows.lasting = set(range(400))
    more(flows)
    first, second = (lasting(scaled, flows, name) for name in ("a-1", "a-2"))
    assert first >= set(range(200)), "those that were there before stay"
    assert second
    assert not first & second

    assert scale(scaled, 1)["draining"] == ["a-2"]
    scaled.kill()
    scaled.start()
    eventually(lambda: scaled.nf("a-2").get("flows"), "it drains under the new manager")
    assert scaled.nf("a-2")["draining"]
    more(flows)
    assert lasting(scaled, flows, "a-1") == first, "nobody moves while a-2 drains"

    assert scale(scaled, 2)["started"] == [], "it is wanted again"
    assert scale(scaled, 1)["draining"] == ["a-2"]
    assert scaled.post("/v1/nfs/a-2/stop").is_success, "a user may end it at once"
    eventually(lambda: not scaled.nf("a-2"), "it is gone")
    more(flows)
    assert flows.stop() == 0, scaled.losses()

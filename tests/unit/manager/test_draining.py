# SPDX-License-Identifier: BSD-3-Clause
"""Replicas that are to go keep their flows for a while; policies scale as people do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from onvm_runtime.manager import autoscaling, draining, edits, instance
from onvm_runtime.manager.failure import Conflict
from onvm_runtime.manager.node import Node
from onvm_runtime.manager.state import StateFile
from onvm_runtime.manager.views import nf as view

SPEC = """
services:
  fw: {nf: forward, replicas: 3, stateful: true, drain_seconds: 3600, weights: [2, 1]}
chains:
  - {name: web, match: {port: in}, path: [fw], egress: out}
"""
BY_POLICY = SPEC.replace("replicas: 3,", "autoscale: {min: 1, max: 3, up_seconds: 0},").replace(
    ", weights: [2, 1]", ""
)


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "ATTACH_SECONDS", 0.5)
    monkeypatch.setattr(instance, "LEAVE_SECONDS", 0.01)
    monkeypatch.setattr(draining, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(autoscaling, "SAMPLE_SECONDS", 0.01)


async def apply(node: Node, text: str = SPEC) -> Any:
    return await node.rollouts.apply(node.control(), text, "chains.yml")


async def scale(node: Node, replicas: int) -> Any:
    return await node.rollouts.edit(node.control(), edits.scale_by_hand("fw", replicas))


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come to that")


def weights(plane: Any) -> dict[str, int]:
    return {name: nf["weight"] for name, nf in plane.nfs.items()}


async def test_new_replicas_take_part_together_and_with_their_weights(
    node: Node, plane: Any
) -> None:
    await apply(node)
    assert weights(plane) == {"fw-1": 2, "fw-2": 1, "fw-3": 1}
    assert all(nf["stateful"] for nf in plane.nfs.values())
    expected = [r["weight"] for r in plane.requests if r["op"] == "nf.expect"]
    assert expected == [0, 0, 0], "none has flows before all run"


async def test_a_replica_that_is_to_go_keeps_its_flows(node: Node, plane: Any) -> None:
    await apply(node)
    plane.flows = {"fw-2": 5, "fw-3": 123}
    outcome = await scale(node, 1)
    assert (outcome.draining, outcome.ended) == (["fw-2", "fw-3"], [])
    await until(lambda: node.draining.flows == {"fw-2": 5, "fw-3": 123})
    assert weights(plane) == {"fw-1": 2, "fw-2": 0, "fw-3": 0}
    shown = view(node, node.fleet["fw-3"])
    assert (shown.draining, shown.flows, shown.weight) == (True, 123, 0)
    plane.flows["fw-2"] = 0
    await until(lambda: "fw-2" not in node.fleet.instances)
    assert "fw-3" in node.fleet.instances


async def test_its_time_is_up(node: Node, plane: Any) -> None:
    await apply(node, SPEC.replace("3600", "1"))
    plane.flows = {"fw-3": 123}
    await scale(node, 2)
    await until(lambda: "fw-3" not in node.fleet.instances)
    assert node.rollouts.desired.draining == {}


async def test_it_is_wanted_again(node: Node, plane: Any, runtime: Any) -> None:
    await apply(node)
    plane.flows = {"fw-2": 5, "fw-3": 5}
    await scale(node, 1)
    outcome = await scale(node, 2)
    assert outcome.started == []
    assert list(node.rollouts.desired.draining) == ["fw-3"]
    assert weights(plane) == {"fw-1": 2, "fw-2": 1, "fw-3": 0}
    assert len(runtime.starts) == 3


async def test_a_new_manager_goes_on(node: Node, plane: Any) -> None:
    await apply(node)
    plane.flows = {"fw-3": 5}
    await scale(node, 2)
    kept = StateFile(node.config.directories.state).read()
    assert kept == node.rollouts.desired
    assert [wanted.name for wanted in kept.instances()] == ["fw-1", "fw-2", "fw-3"]
    await node.restore(node.control())
    assert weights(plane) == {"fw-1": 2, "fw-2": 1, "fw-3": 0}


async def test_a_service_without_state_lets_its_replicas_go_at_once(
    node: Node, plane: Any
) -> None:
    await apply(node, SPEC.replace("stateful: true", "stateful: false"))
    plane.flows = {"fw-3": 5}
    outcome = await scale(node, 2)
    assert (outcome.draining, outcome.ended) == ([], ["fw-3"])


async def test_an_nf_drains_and_is_then_stopped(node: Node, plane: Any) -> None:
    await apply(node)
    plane.flows = {"fw-2": 7}
    await node.rollouts.drain(node.control(), "fw-2")
    assert weights(plane)["fw-2"] == 0
    await node.rollouts.start(node.control(), "fw-2")
    assert weights(plane)["fw-2"] == 1, "starting it again ends that"
    await node.rollouts.drain(node.control(), "fw-2")
    plane.flows = {}
    await until(lambda: node.fleet["fw-2"].state == "stopped")
    assert node.rollouts.desired.stopped == {"fw-2"}


async def test_a_replica_on_its_way_out_cannot_be_started(node: Node, plane: Any) -> None:
    await apply(node)
    plane.flows = {"fw-3": 7}
    await scale(node, 2)
    with pytest.raises(Conflict, match="scale its service up"):
        await node.rollouts.start(node.control(), "fw-3")


async def test_a_rollout_that_fails_lets_flows_come_as_before(node: Node, plane: Any) -> None:
    await apply(node)
    plane.flows = {"fw-3": 7}
    plane.refuse["plan"] = "out of memory"
    other = SPEC.replace("replicas: 3", "replicas: 2").replace("egress: out", "egress: in")
    with pytest.raises(Exception, match="out of memory"):
        await apply(node, other)
    assert weights(plane) == {"fw-1": 2, "fw-2": 1, "fw-3": 1}
    assert node.rollouts.desired.draining == {}


async def test_a_policy_scales(node: Node, plane: Any) -> None:
    plane.node.workers = 1
    await apply(node, BY_POLICY)
    plane.nfs["fw-1"]["waiting"] = 1000
    await until(lambda: "fw-2" in node.fleet.instances and not node.rollouts.busy)
    with pytest.raises(Conflict, match="scaled by its policy"):
        await scale(node, 3)
    outcome = await apply(node, BY_POLICY)
    assert outcome.changes == [], "an apply of the same file leaves what the policy did"
    (event,) = node.autoscaling.followed["fw"].events
    assert (event.before, event.after, event.measure) == (1, 2, 1000)

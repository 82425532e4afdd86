# SPDX-License-Identifier: BSD-3-Clause
"""Several instances in one process: started, ended and told about together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onvm_runtime.chains import groups, load
from onvm_runtime.manager import backoff, edits, instance
from onvm_runtime.manager.node import Node

APART = """
services: {a: {nf: forward, replicas: 2}, b: {nf: forward, replicas: 2}}
chains: [{name: web, match: {port: in}, path: [a, b], egress: out}]
"""
FUSED = APART.replace("replicas: 2", "replicas: 2, fuse: true")
TAG = groups(load(FUSED, ""))[0].tag
A1, A2, B1, B2 = (f"{name}.{TAG}" for name in ("a-1", "a-2", "b-1", "b-2"))


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(instance, "LEAVE_SECONDS", 0.01)


async def apply(node: Node, text: str = FUSED) -> Any:
    return await node.rollouts.apply(node.control(), text, "chains.yml")


async def test_one_process_a_group(node: Node, runtime: Any) -> None:
    outcome = await apply(node)
    assert sorted(runtime.starts) == [A1, A2]
    assert sorted(outcome.started) == sorted([A1, A2, B1, B2])
    assert node.fleet[A1].pid == node.fleet[B1].pid != node.fleet[A2].pid
    assert [len(launch.members) for launch in runtime.launches] == [2, 2]


async def test_a_death_starts_the_process_once(node: Node, runtime: Any) -> None:
    await apply(node)
    runtime.handles[A1].end("was killed by SIGKILL")
    await asyncio.sleep(0.1)
    assert runtime.starts.count(A1) == 2
    assert [node.fleet[name].restarts for name in (A1, B1, A2, B2)] == [1, 1, 0, 0]
    assert node.fleet[A1].pid == node.fleet[B1].pid


async def test_stop_and_start_are_of_all_in_a_process(node: Node, runtime: Any) -> None:
    await apply(node)
    await node.rollouts.stop(node.control(), B1)
    assert [node.fleet[name].state for name in (A1, B1, A2)] == ["stopped", "stopped", "running"]
    assert node.rollouts.desired.stopped == {A1, B1}
    await node.rollouts.start(node.control(), A1)
    await asyncio.gather(*(node.fleet[name].settled() for name in (A1, B1)))
    assert [node.fleet[name].state for name in (A1, B1)] == ["running", "running"]
    assert runtime.starts.count(A1) == 2


async def test_fusing_starts_new_processes_before_the_old_ones_end(
    node: Node, runtime: Any
) -> None:
    await apply(node, APART)
    outcome = await apply(node)
    assert sorted(outcome.started) == sorted([A1, A2, B1, B2])
    assert outcome.ended == ["a-1", "a-2", "b-1", "b-2"]
    assert sorted(runtime.removed) == ["a-1", "a-2", "b-1", "b-2"]


async def test_a_group_is_scaled_as_a_whole(node: Node, runtime: Any) -> None:
    await apply(node)
    await node.rollouts.edit(node.control(), edits.scale("b", 1))
    assert list(node.fleet.instances) == [A1, B1]
    assert runtime.removed == [A2], "the process once, when its last NF is gone"


async def test_a_new_manager_adopts_a_process_for_all_in_it(node: Node, runtime: Any) -> None:
    await apply(node)
    await node.leave()
    after = Node(node.config)
    await after.start()
    await after.dataplane.ready()
    assert [after.fleet[name].pid for name in (A1, B1)] == [node.fleet[A1].pid] * 2
    assert len(runtime.starts) == 2
    await after.leave()

# SPDX-License-Identifier: BSD-3-Clause
"""Places and weights reach the processes, and are shown."""

from __future__ import annotations

import os
from typing import Any

import pytest

from onvm_runtime.manager import topology, views
from onvm_runtime.manager.node import Node
from onvm_runtime.manager.topology import Cpu, Topology

SPEC = """
services:
  a: {nf: forward, placement: "3"}
  b: {nf: forward, replicas: 2, cpu_weight: 300}
chains: [{name: web, match: {port: in}, path: [a, b], egress: out}]
"""


@pytest.fixture(autouse=True)
def _four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs 0 to 3, of which the last is on another socket."""
    cpus = {n: Cpu(n, n, int(n == 3)) for n in range(4)}
    monkeypatch.setattr(topology, "read", lambda: Topology(cpus))


async def apply(node: Node, text: str) -> Any:
    return await node.rollouts.apply(node.control(), text, "chains.yml")


async def test_processes_start_with_their_cpus_and_weight(node: Node, runtime: Any) -> None:
    await apply(node, SPEC)
    assert {one.instance: (one.cpus, one.cpu_weight) for one in runtime.launches} == {
        "a-1": ("3", 100),
        "b-1": ("1", 300),
        "b-2": ("2", 300),
    }
    shown = {nf.name: (nf.cpus, nf.alone, nf.remote, nf.cpu_weight) for nf in views.nfs(node)}
    assert shown == {
        "a-1": ([3], True, True, 100),
        "b-1": ([1], True, False, 300),
        "b-2": ([2], True, False, 300),
    }


async def test_a_change_reaches_processes_that_run(node: Node, runtime: Any) -> None:
    await apply(node, SPEC)
    await apply(node, SPEC.replace('"3"', "[2]").replace("300", "50"))
    changed = {one.instance: (one.cpus, one.cpu_weight) for one, _ in runtime.adjusted}
    assert changed == {"a-1": ("2", 100), "b-1": ("1", 50), "b-2": ("2", 50)}
    assert len(runtime.starts) == 3, "nothing was started again"


async def test_only_who_is_alone_polls(node: Node) -> None:
    limits = node.config.nf.model_copy(update={"dedicated": True})
    object.__setattr__(node.config, "nf", limits)
    await apply(node, SPEC.replace("replicas: 2", "replicas: 3"))
    problems = (await views.status(node)).problems
    assert [word.split()[1] for word in problems if "does not spin" in word] == ["b-1", "b-3"]


async def test_an_adopted_process_is_left_as_it_is(
    node: Node, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To change the limits of a container stops it for a moment."""
    await apply(node, SPEC)
    held = {node.fleet[name].pid: {cpu} for name, cpu in (("a-1", 3), ("b-1", 1), ("b-2", 2))}
    await node.leave()
    monkeypatch.setattr(os, "sched_getaffinity", held.__getitem__)
    after = Node(node.config)
    await after.start()
    await after.dataplane.ready()
    assert runtime.adjusted == []
    assert [after.fleet.place(name).cpus for name in ("a-1", "b-1", "b-2")] == [(3,), (1,), (2,)]
    await after.leave()


async def test_weights_that_follow_rates_are_those_that_were_measured(
    node: Node, runtime: Any
) -> None:
    await apply(node, SPEC.replace("300", "rate"))
    assert node.fleet.weighed_by_rate() == {"b-1": ["b-1"], "b-2": ["b-2"]}
    await node.fleet.weigh_cpu({"b-1": 40, "b-2": 160})
    changed = {one.instance: one.cpu_weight for one, _ in runtime.adjusted}
    assert changed == {"b-1": 40, "b-2": 160}
    await apply(node, SPEC)
    assert node.fleet.weighed_by_rate() == {}
    assert node.fleet.weight("b-1") == 300

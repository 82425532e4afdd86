# SPDX-License-Identifier: BSD-3-Clause
"""Rollouts: what is sent in which order, and what is undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onvm_runtime.chains import SpecError
from onvm_runtime.manager import edits, instance
from onvm_runtime.manager.failure import Conflict, Failed, ManagerError, NoSpace, NotFound
from onvm_runtime.manager.node import Node
from onvm_runtime.manager.state import Desired, StateFile

SPEC = """
services:
  fw: {nf: forward, replicas: 2}
  mon: {nf: forward}
chains:
  - {name: web, match: {port: in}, path: [fw, mon], egress: out}
default: web
"""


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "ATTACH_SECONDS", 0.1)
    monkeypatch.setattr(instance, "LEAVE_SECONDS", 0.01)


async def apply(node: Node, text: str = SPEC) -> Any:
    return await node.rollouts.apply(node.control(), text, "chains.yml")


def kept(node: Node) -> Desired:
    return StateFile(node.config.directories.state).read()


async def test_instances_are_there_before_their_chain(node: Node, plane: Any) -> None:
    plane.requests.clear()
    await apply(node)
    ops = plane.ops()
    assert ops.count("nf.expect") == 3
    assert max(n for n, op in enumerate(ops) if op == "nf.expect") < ops.index("plan")
    assert [chain["path"] for chain in plane.plan["chains"]] == [["fw", "mon"]]
    assert kept(node) == node.rollouts.desired


async def test_the_same_again_asks_for_nothing(node: Node, plane: Any) -> None:
    await apply(node)
    plane.requests.clear()
    outcome = await apply(node)
    assert (outcome.changes, outcome.started, outcome.ended) == ([], [], [])
    assert plane.ops() == []


async def test_what_is_gone_ends_after_its_chain_has_drained(
    node: Node, plane: Any, runtime: Any
) -> None:
    await apply(node)
    plane.requests.clear()
    outcome = await apply(node, SPEC.replace("[fw, mon]", "[mon]").replace(
        "  fw: {nf: forward, replicas: 2}\n", ""))  # fmt: skip
    assert outcome.ended == ["fw-1", "fw-2"]
    assert plane.ops()[0] == "plan"
    assert sorted(runtime.removed) == ["fw-1", "fw-2"]


async def test_other_parameters_reach_the_running_nf(node: Node, plane: Any, runtime: Any) -> None:
    await apply(node)
    plane.requests.clear()
    changed = SPEC.replace("mon: {nf: forward}", "mon: {nf: forward, parameters: {a: 1}}")
    outcome = await apply(node, changed)
    assert outcome.reconfigured == ["mon-1"]
    (expected,) = (r for r in plane.requests if r["op"] == "nf.expect")
    assert expected["parameters"] == {"a": 1}
    assert len(runtime.starts) == 3, "nobody was restarted"


async def test_a_refused_plan_undoes_everything(node: Node, plane: Any, runtime: Any) -> None:
    await apply(node)
    before, plan = node.rollouts.desired, plane.plan
    plane.refuse["plan"] = "chain web: out of memory"
    longer = SPEC.replace("[fw, mon]", "[fw]").replace("replicas: 2", "replicas: 3").replace(
        "mon: {nf: forward}", "mon: {nf: forward, parameters: {a: 1}}")  # fmt: skip
    with pytest.raises(Failed, match="the data plane refused: chain web: out of memory"):
        await apply(node, longer)
    assert node.rollouts.desired == before == kept(node)
    assert plane.plan == plan
    assert sorted(plane.nfs) == ["fw-1", "fw-2", "mon-1"]
    assert runtime.removed == ["fw-3"]
    last = [r for r in plane.requests if r["op"] == "nf.expect"][-1]
    assert (last["name"], last["parameters"]) == ("mon-1", {})


async def test_a_reconfiguration_that_an_nf_refuses_is_undone(node: Node, plane: Any) -> None:
    await apply(node)

    def refuse(request: dict[str, Any]) -> None:
        if request["parameters"]:
            plane.event(event="nf", name=request["name"], state="failed", reason="a is odd")

    plane.on_expect = refuse
    with pytest.raises(Failed, match="NF mon-1 refuses: a is odd"):
        await apply(
            node, SPEC.replace("mon: {nf: forward}", "mon: {nf: forward, parameters: {a: 1}}")
        )
    assert node.fleet["mon-1"].wanted.parameters == {}
    assert node.fleet["mon-1"].state == "running"


async def test_one_rollout_at_a_time(node: Node, runtime: Any) -> None:
    runtime.mute.add("mon-1")
    first = asyncio.create_task(apply(node))
    await asyncio.sleep(0.02)
    with pytest.raises(Conflict, match="a rollout is under way"):
        await apply(node)
    with pytest.raises(Failed, match="mon-1"):
        await first
    assert not node.rollouts.busy


async def test_a_state_that_cannot_be_kept_undoes_everything(
    node: Node, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise NoSpace("no space")

    monkeypatch.setattr(StateFile, "write", full)
    with pytest.raises(NoSpace):
        await apply(node)
    assert node.fleet.instances == {}
    assert sorted(runtime.removed) == ["fw-1", "fw-2", "mon-1"]


async def test_a_service_keeps_its_nf(node: Node) -> None:
    node.catalogue["other"] = node.catalogue["forward"]
    await apply(node)
    with pytest.raises(SpecError) as caught:
        await apply(node, SPEC.replace("mon: {nf: forward}", "mon: {nf: other}"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (4, "services.mon.nf")
    assert "give the service another name" in problem.message


async def test_a_port_that_is_not_open_refuses_its_chains(node: Node) -> None:
    node.ports.errors["out"] = "no such device"
    with pytest.raises(Conflict, match="port out is not open: no such device"):
        await apply(node)


async def test_scale_and_remove_are_edits_of_the_text(node: Node) -> None:
    await apply(node)
    outcome = await node.rollouts.edit(node.control(), edits.scale("fw", 1))
    assert outcome.ended == ["fw-2"]
    assert node.rollouts.desired.source == "chains.yml (changed through the API)"
    await node.rollouts.edit(node.control(), edits.remove_chain("web"))
    assert node.rollouts.desired.spec.chains == ()
    assert node.rollouts.desired.spec.default is None
    assert kept(node) == node.rollouts.desired


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edits.scale("web", 1), "there is no service web; there are: fw, mon"),
        (edits.remove_chain("fw"), "there is no chain fw; there are: web"),
    ],
)
async def test_edits_of_nothing(node: Node, edit: edits.Edit, said: str) -> None:
    await apply(node)
    with pytest.raises(NotFound, match=said):
        await node.rollouts.edit(node.control(), edit)


async def test_a_new_manager_brings_back_what_was_kept(
    node: Node, runtime: Any, plane: Any
) -> None:
    await apply(node)
    await node.leave()
    starts = list(runtime.starts)
    plane.requests.clear()
    again = Node(node.config)
    await again.start()
    await again.dataplane.ready()
    await asyncio.sleep(0.02)
    assert {i.state for i in again.fleet.instances.values()} == {"running"}
    assert runtime.starts == starts, "all were adopted"
    assert "port.add" not in plane.ops()
    assert "nf.forget" not in plane.ops()
    await again.leave()


async def test_an_orphan_is_ended(node: Node, runtime: Any, plane: Any) -> None:
    await apply(node)
    await node.leave()
    StateFile(node.config.directories.state).write(Desired())
    again = Node(node.config)
    await again.start()
    await again.dataplane.ready()
    assert plane.nfs == {}
    assert sorted(runtime.removed) == ["fw-1", "fw-2", "mon-1"]
    await again.leave()


async def test_a_new_data_plane_gets_everything_again(node: Node, plane: Any) -> None:
    await apply(node)
    plan = plane.plan
    plane.stop()
    plane.start()
    for _ in range(200):
        if plane.plan == plan:
            break
        await asyncio.sleep(0.02)
    assert plane.plan == plan
    assert sorted(plane.ports) == ["in", "out"]
    assert sorted(plane.nfs) == ["fw-1", "fw-2", "mon-1"]


async def test_a_data_plane_that_cannot_start_says_why(node: Node, plane: Any) -> None:
    plane.stop()
    for _ in range(200):
        if node.dataplane.reason and "onvm-dataplane" in node.dataplane.reason:
            break
        await asyncio.sleep(0.02)
    assert node.dataplane.reason == "onvm-dataplane exited with status 1"
    with pytest.raises(ManagerError, match="does not run: onvm-dataplane exited with status 1"):
        node.control()

# SPDX-License-Identifier: BSD-3-Clause
"""The state machine of an instance, step by step."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onvm_runtime.manager import backoff, instance
from onvm_runtime.manager.failure import Failed
from onvm_runtime.manager.node import Node

SPEC = """
services: {fw: {nf: forward}}
chains: [{name: web, match: {port: in}, path: [fw], egress: out}]
"""


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of seconds become hundredths."""
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(instance, "ATTACH_SECONDS", 0.1)
    monkeypatch.setattr(instance, "LEAVE_SECONDS", 0.01)


async def apply(node: Node, text: str = SPEC) -> Any:
    return await node.rollouts.apply(node.control(), text, "chains.yml")


async def state_of(node: Node, name: str, wanted: str) -> instance.Instance:
    found = node.fleet[name]
    for _ in range(300):
        if found.state == wanted:
            return found
        await asyncio.sleep(0.005)
    raise AssertionError(f"{name} is {found.state} ({found.reason}), not {wanted}")


async def test_it_runs_once_the_data_plane_says_so(node: Node, runtime: Any) -> None:
    outcome = await apply(node)
    assert outcome.started == ["fw-1"]
    assert node.fleet["fw-1"].state == "running"
    assert runtime.starts == ["fw-1"]


async def test_the_first_restart_comes_at_once(node: Node, runtime: Any) -> None:
    await apply(node)
    runtime.handles["fw-1"].end("was killed by SIGKILL")
    await asyncio.sleep(0.01)
    found = await state_of(node, "fw-1", "running")
    assert (found.restarts, found.last_end) == (1, "was killed by SIGKILL")


async def test_one_that_exits_at_once_backs_off_and_says_its_last_words(
    node: Node, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 60.0)
    await apply(node)
    runtime.mute.add("fw-1")
    for _ in range(2):
        runtime.handles["fw-1"].end("exited with status 71")
        await asyncio.sleep(0.01)
    found = await state_of(node, "fw-1", "backoff")
    assert found.reason == "exited with status 71; it last said: fw-1: cannot find my socket"
    assert len(runtime.starts) == 2, "no hot loop"


async def test_one_that_never_attaches_is_ended(node: Node, runtime: Any) -> None:
    runtime.mute.add("fw-1")
    with pytest.raises(Failed, match=r"NF fw-1 was ended: it did not attach within .* last said"):
        await apply(node)
    assert "fw-1" not in node.fleet.instances
    assert runtime.handles["fw-1"].how.done()
    assert runtime.removed == ["fw-1"]


async def test_a_refusal_by_the_data_plane_is_the_reason(
    node: Node, runtime: Any, plane: Any
) -> None:
    runtime.mute.add("fw-1")
    rollout = asyncio.create_task(apply(node))
    await asyncio.sleep(0.02)
    plane.nf("fw-1", "refused", "the NF speaks ABI version 2, the data plane version 1")
    await asyncio.sleep(0.02)
    runtime.handles["fw-1"].end("exited with status 76")
    with pytest.raises(Failed, match="status 76: the NF speaks ABI version 2"):
        await rollout


async def test_one_that_refuses_its_parameters_is_left_alone(
    node: Node, runtime: Any, plane: Any
) -> None:
    runtime.mute.add("fw-1")
    rollout = asyncio.create_task(apply(node))
    await asyncio.sleep(0.02)
    plane.nf("fw-1", "failed", "rules[0]: no such port")
    with pytest.raises(Failed, match=r"refuses its parameters: rules\[0\]: no such port"):
        await rollout
    assert runtime.starts == ["fw-1"]


async def test_a_detached_one_has_time_to_come_back(node: Node, plane: Any) -> None:
    await apply(node)
    plane.nf("fw-1", "detached")
    await state_of(node, "fw-1", "starting")
    plane.nf("fw-1", "running")
    found = await state_of(node, "fw-1", "running")
    assert found.restarts == 0


async def test_while_the_data_plane_is_away_nobody_is_ended(
    node: Node, runtime: Any, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(node)
    monkeypatch.setattr(node.dataplane, "_backoff", Patient())
    plane.stop()
    await state_of(node, "fw-1", "starting")
    await asyncio.sleep(3 * instance.ATTACH_SECONDS)
    assert not runtime.handles["fw-1"].how.done()
    assert runtime.starts == ["fw-1"]


class Patient:
    def after(self, _: float) -> float:
        return 60.0


async def test_a_driver_that_fails_is_the_reason(node: Node, runtime: Any) -> None:
    runtime.error = "Docker does not answer"
    with pytest.raises(Failed, match="NF fw-1 did not start: Docker does not answer"):
        await apply(node)


async def test_a_stopped_one_is_forgotten_and_ended(node: Node, runtime: Any, plane: Any) -> None:
    await apply(node)
    await node.rollouts.stop(node.control(), "fw-1")
    assert node.fleet["fw-1"].state == "stopped"
    assert runtime.handles["fw-1"].how.done()
    assert plane.nfs == {}
    await node.rollouts.start(node.control(), "fw-1")
    await state_of(node, "fw-1", "running")


async def test_a_users_start_ends_the_pause(
    node: Node, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 60.0)
    await apply(node)
    for _ in range(2):
        runtime.handles["fw-1"].end("was killed by SIGKILL")
        await asyncio.sleep(0.02)
    assert node.fleet["fw-1"].state == "backoff"
    await node.rollouts.start(node.control(), "fw-1")
    await state_of(node, "fw-1", "running")
    runtime.handles["fw-1"].end("was killed by SIGKILL")
    await asyncio.sleep(0.02)
    await state_of(node, "fw-1", "running")


async def test_an_end_during_a_start_leaves_no_process(
    node: Node, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(node)
    slowly = runtime.start

    async def start(launch: Any) -> Any:
        await asyncio.sleep(0.05)
        return await slowly(launch)

    monkeypatch.setattr(runtime, "start", start)
    runtime.handles["fw-1"].end("was killed by SIGKILL")
    await asyncio.sleep(0.01)
    await node.rollouts.stop(node.control(), "fw-1")
    assert len(runtime.starts) == 2
    assert runtime.handles["fw-1"].how.done(), "the process that was on its way is ended"

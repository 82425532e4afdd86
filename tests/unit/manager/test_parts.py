# SPDX-License-Identifier: BSD-3-Clause
"""The small parts: backoff, state, log files, processes, lock, what of a plan is possible."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from onvm_runtime.chains import Plan, PlannedChain, PlannedRule, compile_plan, load
from onvm_runtime.manager import logfile
from onvm_runtime.manager.backoff import Backoff
from onvm_runtime.manager.failure import Conflict, ManagerError, NoSpace
from onvm_runtime.manager.in_force import InForce, deployable
from onvm_runtime.manager.lock import Lock
from onvm_runtime.manager.process import Process
from onvm_runtime.manager.state import Desired, StateFile

SPEC = """
services: {fw: {nf: forward}}
chains:
  - {name: web, match: {port: in}, path: [fw], egress: out, bidirectional: true}
default: web
"""


@pytest.mark.parametrize(
    ("lives", "pauses"),
    [
        ([0] * 9, [0, 0.5, 1, 2, 4, 8, 16, 30, 30]),
        ([1, 1, 60, 1, 1], [0, 0.5, 0, 0.5, 1]),
        ([59.9, 59.9], [0, 0.5]),
    ],
)
def test_backoff(lives: list[float], pauses: list[float]) -> None:
    backoff = Backoff()
    assert [backoff.after(lived) for lived in lives] == pauses


def desired() -> Desired:
    spec = load(SPEC, "chains.yml")
    return Desired("chains.yml", SPEC, spec, compile_plan(spec, None), frozenset({"fw-1"}))


def test_the_state_reads_back_as_it_was(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state")
    assert file.read() == Desired()
    file.write(desired())
    assert file.read() == desired()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Expecting value"),
        ("{}", "version"),
        ('{"version": 99}', "version 99, this manager knows 1"),
        ('{"version": 1, "source": "s", "text": "", "plan": {}, "stopped": []}', "plan"),
        ('{"version": 1, "source": "s", "text": "x: 1", "plan": {}, "stopped": []}', "unknown key"),
        ("[]", "indices"),
    ],
)
def test_a_damaged_state_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ManagerError, match="cannot be used") as caught:
        StateFile(tmp_path).read()
    assert said in str(caught.value)


def test_a_state_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path)
    file.write(desired())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="No space left on device; nothing was changed"):
        file.write(Desired())
    assert file.read() == desired()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_chain_without_its_port_is_withheld_in_both_directions() -> None:
    plan = compile_plan(load(SPEC, "chains.yml"), None)
    assert deployable(plan, {"in", "out"}) == (plan, [])
    for missing in ("in", "out"):
        part, withheld = deployable(plan, {"in", "out"} - {missing})
        assert (part.chains, part.rules, part.default_chain) == ((), (), None)
        assert withheld == ["web"]


def test_a_rule_without_its_port_is_left_out() -> None:
    chain = PlannedChain(1, "a", (), "out")
    rules = (PlannedRule(1, 0, {"port": "in"}), PlannedRule(1, 0, {"vlan": 5}))
    part, withheld = deployable(Plan((chain,), rules), {"out"})
    assert (part.rules, withheld) == (rules[1:], [])


async def test_drained_chains_wake_who_waits() -> None:
    in_force = InForce()
    in_force.learn([{"id": 1, "draining": True}, {"id": 2, "draining": False}])
    assert in_force.draining == {1}
    assert not await in_force.drain(0.01)
    asyncio.get_running_loop().call_soon(in_force.drained, 1)
    assert await in_force.drain(1)


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log/nf.log"
    assert logfile.tail(log, 5) == ""
    with logfile.open_log(log) as file:
        file.write(b"".join(b"line %d\n" % n for n in range(5)))
    assert logfile.tail(log, 2) == "line 3\nline 4"
    assert logfile.tail(log, 9, begin=21) == "line 3\nline 4"


def test_a_large_log_is_turned_over(tmp_path: Path) -> None:
    log = tmp_path / "nf.log"
    log.write_bytes(bytes(logfile.TURN + 1))
    logfile.open_log(log).close()
    assert (log.stat().st_size, (tmp_path / "nf.log.1").stat().st_size) == (0, logfile.TURN + 1)


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 0", "exited with status 0"),
        ("exit 3", "exited with status 3"),
        ("kill -9 $$", "was killed by SIGKILL"),
        ("kill -64 $$", "was killed by SIGRTMAX"),
        ("kill -40 $$", "was killed by signal 40"),
    ],
)
async def test_how_a_process_ends(tmp_path: Path, script: str, how: str) -> None:
    process = Process.spawn(["/bin/sh", "-c", script], {}, tmp_path / "log")
    assert await asyncio.wait_for(process.ended(), 5) == how
    assert not process.alive


async def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 1; done"
    process = Process.spawn(["/bin/sh", "-c", script], {}, tmp_path / "log")
    await asyncio.sleep(0.2)
    assert logfile.tail(tmp_path / "log", 1) == "ready"
    await process.stop(0.05)
    assert await process.ended() == "was killed by SIGKILL"


async def test_a_process_of_somebody_else_is_watched(process: subprocess.Popen[bytes]) -> None:
    watched = Process(process.pid)
    assert not await watched.ends_within(0.01)
    process.kill()
    assert await watched.ended() == "ended"
    with pytest.raises(ProcessLookupError):
        Process(2**22 + 1)


async def test_no_descriptor_is_left_of_processes(tmp_path: Path) -> None:
    before = open_descriptors()
    for _ in range(20):
        await Process.spawn(["/bin/true"], {}, tmp_path / "log").ended()
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "run/manager.lock"
    with Lock(path), pytest.raises(Conflict, match=f"process {os.getpid()}"):
        Lock(path)
    with Lock(path):
        pass

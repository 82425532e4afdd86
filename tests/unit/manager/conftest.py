# SPDX-License-Identifier: BSD-3-Clause
"""A manager whose data plane is the stand-in and whose NFs are nothing but futures."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime.manager import driver
from onvm_runtime.manager.config import NodeConfig, read
from onvm_runtime.manager.driver import Handle, Launch
from onvm_runtime.manager.failure import DriverError
from onvm_runtime.manager.node import Node

NODE = """
node: unit
runtime: process
catalogue: {base}/catalogue
directories: {{run: {base}/run, state: {base}/state, log: {base}/log}}
dataplane: {{program: /bin/false}}
ports:
  - {{name: in, kind: "null"}}
  - {{name: out, kind: "null"}}
"""
FORWARD = "{name: forward, summary: passes packets on, parameters: {type: object}}"


class FakeHandle:
    """An NF that ends when the test says so, or when it is stopped."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.how: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ended(self) -> str:
        return await asyncio.shield(self.how)

    async def stop(self) -> None:
        self.end("exited with status 0")

    def end(self, how: str) -> None:
        if not self.how.done():
            self.how.set_result(how)


class FakeDriver:
    """Starts handles; `plane` is told that the NF attached, unless `mute` names it."""

    def __init__(self, plane: Any) -> None:
        self.plane = plane
        self.handles: dict[str, FakeHandle] = {}
        self.starts: list[str] = []
        self.launches: list[Launch] = []
        self.adjusted: list[tuple[Launch, int]] = []
        self.removed: list[str] = []
        self.mute: set[str] = set()
        self.error: str | None = None
        self.removal_error: str | None = None
        self.said = "cannot find my socket"

    async def running(self) -> dict[str, Handle]:
        return {name: handle for name, handle in self.handles.items() if not handle.how.done()}

    async def start(self, launch: Launch) -> Handle:
        self.starts.append(launch.instance)
        self.launches.append(launch)
        if self.error:
            raise DriverError(self.error)
        self.handles[launch.instance] = FakeHandle(1000 + len(self.starts))
        for name in launch.directories().keys() - self.mute:
            asyncio.get_running_loop().call_soon(self.plane.nf, name, "running")
        return self.handles[launch.instance]

    async def adjust(self, launch: Launch, pid: int) -> None:
        self.adjusted.append((launch, pid))

    def weighs_by(self, instance: str) -> str:  # noqa: ARG002
        return "cgroup"

    async def remove(self, instance: str) -> None:
        if self.removal_error:
            raise DriverError(self.removal_error)
        self.removed.append(instance)

    async def logs(self, instance: str, _: int) -> str:
        return f"{instance}: {self.said}"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Directories of a node, with one NF in the catalogue."""
    for name in ("run", "state", "log", "catalogue/forward"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "catalogue/forward/nf.yml").write_text(FORWARD)
    return tmp_path


@pytest.fixture
def config(base: Path) -> NodeConfig:
    return read(NODE.format(base=base), "node.yml")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that the stand-in may call its own, and that a manager may kill."""
    child = subprocess.Popen(["sleep", "600"])
    yield child
    child.kill()
    child.wait()


@pytest.fixture
async def plane(stand_in: Any, base: Path, process: Any) -> Any:
    """The stand-in, at the place where the manager looks for a data plane."""
    stand_in.stop()
    stand_in.path = base / "run/control.sock"
    stand_in.pid = process.pid
    stand_in.start()
    return stand_in


@pytest.fixture
def runtime(plane: Any, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver(plane)
    monkeypatch.setattr(driver, "make", lambda _: fake)
    return fake


@pytest.fixture
async def node(config: NodeConfig, runtime: FakeDriver) -> AsyncIterator[Node]:  # noqa: ARG001
    """A node that runs."""
    made = Node(config)
    await made.start()
    await made.dataplane.ready()
    yield made
    await made.leave()

# SPDX-License-Identifier: BSD-3-Clause
"""From the start of an NF's program to the moment at which packets may reach it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.driver import Launch
from onvm_runtime.manager.driver_docker import DockerDriver
from onvm_runtime.manager.failure import DriverError
from tests.bench.failure import BenchError
from tests.bench.figure import Baseline, Figure, Finding, Target, or_missing
from tests.bench.processes import wait_for
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.bench.systems.onvm import running_plane
from tests.bench.systems.reference import ReferenceChain, reference_manager
from tests.dataplane.plane import Plane, nf_program

NODE = "bench"
NF = "forward"
LOOK = 0.0005  # seconds from one look at an NF to the next


@benchmark("startup", "Start of an NF")
def startup(setting: Setting) -> Iterator[Finding]:
    """As a process beside an NF of the reference chain, and as a container."""
    placement = setting.place(1)
    with running_plane(placement.io) as plane:
        with reference_manager(setting.build, placement) as reference:
            yield _process(plane, reference, setting.repeat)
        yield from or_missing(
            "startup.container", "start to RUNNING, as a container", _container(plane, setting)
        )


def _process(plane: Plane, reference: ReferenceChain, repeat: int) -> Figure:
    ours, others = [], []
    for i in range(repeat + 1):  # the first warms the page cache
        ours.append(_attach(plane, f"nf{i}"))
        others.append(_attach_reference(reference))
    return Figure(
        "startup.process",
        "start to RUNNING, as a process",
        "ms",
        tuple(ours[1:]),
        Baseline("reference", tuple(others[1:])),
        Target("value", "<=", 50),
    )


def _attach(plane: Plane, name: str) -> float:
    plane.expect(name)
    start = time.monotonic()
    plane.run_nf(name, nf_program(NF))
    _until_running(plane, name)
    took = time.monotonic() - start
    plane.kill_nf(name)
    return took * 1e3


def _until_running(plane: Plane, name: str) -> None:
    wait_for(lambda: plane.nf_state(name) == "running", f"{name} runs", LOOK)


def _attach_reference(reference: ReferenceChain) -> float:
    start = time.monotonic()
    nf = reference.start_nf(0)
    nf.wait(LOOK)
    took = time.monotonic() - start
    nf.end()
    return took * 1e3


def _container(plane: Plane, setting: Setting) -> Iterator[Figure]:
    """The manager's own way to start one."""
    try:
        driver = DockerDriver(NodeConfig(node=NODE))
        samples = [_contain(plane, driver, f"box{i}") for i in range(setting.repeat + 1)]
    except DriverError as error:
        raise BenchError(f"{error} (playbooks/images.yml)") from error
    yield Figure("startup.container", "start to RUNNING, as a container", "ms", tuple(samples[1:]))


def _contain(plane: Plane, driver: DockerDriver, name: str) -> float:
    user = NodeConfig(node=NODE).nf.user
    plane.expect(name, uid=user, gid=user)
    launch = Launch(name, name, NF, plane.run_dir / "nf" / name)
    start = time.monotonic()
    try:
        handle = plane.loop.run_until_complete(driver.start(launch))
        _until_running(plane, name)
        took = time.monotonic() - start
        plane.loop.run_until_complete(handle.stop())
    finally:
        plane.loop.run_until_complete(driver.remove(name))
    return took * 1e3

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm-manager --stop-all`, with a manager and without, with a container engine and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataplane.manager.engine import Engine
from tests.dataplane.manager.managed import CHAIN, Managed
from tests.dataplane.plane import eventually

LOST = r"rm -f $(docker ps -aq --filter label=onvm.node={})"


def everything(node: Managed) -> list[int]:
    """The processes of the data plane and of all NFs."""
    return [*node.pids().values(), node.dataplane_pid()]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("managed", [True, False], ids=["manager", "no manager"])
def test_it_leaves_no_process(node: Managed, managed: bool) -> None:
    pids = everything(node)
    if not managed:
        node.kill()
    assert node.stop_all().returncode == 0
    if managed:
        assert node.process is not None
        assert node.process.wait(10) == 0
        assert alive(pids) == []
    eventually(lambda: not alive(pids), "all end")


@pytest.mark.parametrize("managed", [True, False], ids=["manager", "no manager"])
def test_without_an_engine_it_ends_the_rest_and_names_what_is_left(
    engine: Engine, make: Callable[..., Managed], managed: bool
) -> None:
    node = make(runtime="docker")
    node.environment = {"DOCKER_HOST": engine.address}
    node.start()
    node.apply(CHAIN)
    pids = everything(node)
    if not managed:
        node.kill()
    engine.end()
    try:
        stopped = node.stop_all()
    finally:
        engine.start()

    assert stopped.returncode == 1
    for said in ("containers could not be reached", LOST.format(f"test-{node.directory.name}")):
        assert said in stopped.stderr
    assert all(name in stopped.stderr for name in ("a-1", "a-2", "b-1")), stopped.stderr
    eventually(lambda: not alive(pids), "all end")
    left = engine.client.containers.list(all=True)
    assert len(left) == 3
    for container in left:
        container.remove(force=True)
    assert node.stop_all().returncode == 0

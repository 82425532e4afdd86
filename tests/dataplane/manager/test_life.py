# SPDX-License-Identifier: BSD-3-Clause
"""The manager's own comings and goings."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.dataplane.manager.managed import CHAIN, NFS, Managed
from tests.dataplane.manager.wire import Traffic
from tests.dataplane.plane import eventually


def test_sigterm_ends_the_manager_and_nothing_else(node: Managed, traffic: Traffic) -> None:
    before = node.pids(), node.dataplane_pid()
    assert node.terminate() == 0
    assert not (node.run / "manager.sock").exists()
    time.sleep(0.2)
    node.start()
    eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert (node.pids(), node.dataplane_pid()) == before
    assert node.get("/v1/spec")["text"] == CHAIN
    assert traffic.stop() == 0, node.losses()


def test_a_second_manager_is_refused(node: Managed) -> None:
    assert node.process is not None
    command = [sys.executable, "-m", "onvm_runtime.manager", "--config", node.config]
    second = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert second.returncode == 1
    assert f"another manager (process {node.process.pid}) runs this node" in second.stderr.decode()
    assert node.answers()


def test_an_instance_that_was_stopped_stays_stopped(node: Managed) -> None:
    assert node.post("/v1/nfs/a-2/stop").json()["state"] == "stopped"
    node.kill()
    node.start()
    eventually(lambda: node.runs("a-1"), "the others are adopted")
    assert node.nf("a-2")["state"] == "stopped"
    assert node.post("/v1/nfs/a-2/start").is_success
    eventually(lambda: node.runs("a-2"), "it runs")
    assert node.post("/v1/nfs/a-9/start").status_code == 404

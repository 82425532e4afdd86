# SPDX-License-Identifier: BSD-3-Clause
"""What each death costs: the manager's nothing, an NF's or the data plane's little."""

from __future__ import annotations

import os
import signal
import time

from tests.dataplane.manager.managed import NFS, Managed
from tests.dataplane.manager.wire import Traffic
from tests.dataplane.plane import eventually


def test_twenty_deaths_of_the_manager_lose_no_packet(node: Managed, traffic: Traffic) -> None:
    before = node.pids(), node.dataplane_pid()
    for _ in range(20):
        node.kill()
        time.sleep(0.05)
        node.start()
        eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert (node.pids(), node.dataplane_pid()) == before
    assert traffic.stop() == 0, node.losses()


def test_a_dead_data_plane_is_replaced_within_two_seconds(node: Managed, traffic: Traffic) -> None:
    before, plane = node.pids(), node.dataplane_pid()
    killed = time.monotonic()
    os.kill(plane, signal.SIGKILL)
    eventually(lambda: traffic.arrived and max(traffic.arrived.values()) > killed + 1, "traffic")
    assert traffic.gap_after(killed) < 2.0
    assert node.dataplane_pid() != plane
    assert node.pids() == before, "NFs attach again without being restarted"
    assert node.get("/v1/status")["dataplane"]["restarts"] == 1


def test_a_dead_nf_is_replaced_within_a_second(node: Managed, traffic: Traffic) -> None:
    before = node.pids()
    killed = time.monotonic()
    os.kill(before["b-1"], signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 1.5, "traffic")
    assert traffic.gap_after(killed) < 1.0
    after = node.nf("b-1")
    assert (after["restarts"], after["last_end"]) == (1, "was killed by SIGKILL")
    assert after["pid"] != before["b-1"]
    assert (node.pids()["a-1"], node.pids()["a-2"]) == (before["a-1"], before["a-2"])


def test_an_nf_that_dies_while_the_manager_is_away_is_found_missing(node: Managed) -> None:
    gone = node.pids()["b-1"]
    node.kill()
    os.kill(gone, signal.SIGKILL)
    node.start()
    eventually(lambda: node.runs("b-1"), "it is started again")
    assert node.nf("b-1")["pid"] != gone

# SPDX-License-Identifier: BSD-3-Clause
"""Fused services under a manager: one process, started, ended and changed under traffic."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from tests.dataplane.manager.managed import CHAIN, Managed
from tests.dataplane.manager.wire import Traffic
from tests.dataplane.plane import eventually

FUSED = CHAIN.replace("a: {nf: forward, replicas: 2}", "a: {nf: forward, fuse: true}").replace(
    "b: {nf: forward}", "b: {nf: forward, fuse: true}"
)


def members(node: Managed) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.get("/v1/nfs")["nfs"]
    return found


def all_run(node: Managed) -> bool:
    return all(nf["state"] == "running" for nf in members(node))


def test_fusing_under_traffic_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    for text in (FUSED, CHAIN, FUSED):
        assert node.apply(text)["drained"]
    assert len({nf["pid"] for nf in members(node)}) == 1
    assert {nf["group"] for nf in members(node)} == {members(node)[0]["name"]}
    assert traffic.stop() == 0, node.losses()


def test_scaling_fused_services_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    node.apply(FUSED)
    for replicas in (3, 2):
        node.post("/v1/services/b/scale", {"replicas": replicas})
        assert len(members(node)) == 2 * replicas
        assert len({nf["pid"] for nf in members(node)}) == replicas
    assert traffic.stop() == 0, node.losses()


def test_a_dead_process_is_replaced_with_all_in_it(node: Managed, traffic: Traffic) -> None:
    node.apply(FUSED)
    killed, pid = time.monotonic(), members(node)[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 1.5, "traffic")
    assert traffic.gap_after(killed) < 1.0
    assert [(nf["restarts"], nf["last_end"]) for nf in members(node)] == [
        (1, "was killed by SIGKILL")
    ] * 2


def test_a_new_manager_adopts_a_fused_process(node: Managed, traffic: Traffic) -> None:
    node.apply(FUSED)
    before = [nf["pid"] for nf in members(node)]
    node.kill()
    node.start()
    eventually(lambda: all_run(node), "all are adopted")
    assert [nf["pid"] for nf in members(node)] == before
    assert traffic.stop() == 0, node.losses()


def test_restart_is_of_all_in_a_process(node: Managed) -> None:
    node.apply(FUSED)
    before = members(node)[0]["pid"]
    node.post(f"/v1/nfs/{members(node)[1]['name']}/restart")
    eventually(lambda: all_run(node), "all run")
    assert len({nf["pid"] for nf in members(node)} - {before}) == 1


def test_a_weight_reaches_the_process(node: Managed) -> None:
    node.apply(CHAIN.replace("b: {nf: forward}", "b: {nf: forward, cpu_weight: 300}"))
    shown = node.nf("b-1")
    assert (shown["cpu_weight"], shown["weighed_by"]) in ((300, "cgroup"), (300, "nice"))
    assert os.sched_getaffinity(shown["pid"]) == set(shown["cpus"])
    if shown["weighed_by"] == "nice":
        assert os.getpriority(os.PRIO_PROCESS, shown["pid"]) < 0

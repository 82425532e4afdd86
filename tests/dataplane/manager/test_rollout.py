# SPDX-License-Identifier: BSD-3-Clause
"""Changes under traffic."""

from __future__ import annotations

import contextlib
import threading
import time

import httpx
import pytest

from tests.dataplane.manager.managed import CHAIN, NFS, Managed
from tests.dataplane.manager.wire import Traffic
from tests.dataplane.plane import eventually


def test_scaling_up_and_down_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    for replicas in (4, 1, 3, 2):
        node.post("/v1/services/a/scale", {"replicas": replicas})
        names = [nf["name"] for nf in node.get("/v1/nfs")["nfs"] if nf["service"] == "a"]
        assert names == [f"a-{n}" for n in range(1, replicas + 1)]
    assert traffic.stop() == 0, node.losses()


def test_a_rollout_under_traffic_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    longer = CHAIN.replace("path: [a, b]", "path: [b, c, a]").replace(
        "b: {nf: forward}",
        "b: {nf: forward, parameters: {swap_mac: true}}\n  c: {nf: flow_monitor}",
    )
    for text in (longer, CHAIN, longer, CHAIN):
        assert node.apply(text)["drained"]
    assert traffic.stop() == 0, node.losses()


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1])
def test_a_death_in_the_middle_of_a_rollout_loses_no_packet(
    node: Managed, traffic: Traffic, delay: float
) -> None:
    other = CHAIN.replace("path: [a, b]", "path: [c]").replace("a: {nf: forward", "c: {nf: forward")
    applying = threading.Thread(target=attempt, args=(node, other))
    applying.start()
    time.sleep(delay)
    node.kill()
    applying.join()
    node.start()
    text = node.get("/v1/spec")["text"]
    assert text in (CHAIN, other), "one or the other, never a part"
    names = list(NFS) if text == CHAIN else ["c-1", "c-2", "b-1"]
    eventually(lambda: [nf["name"] for nf in node.get("/v1/nfs")["nfs"]] == names, "its instances")
    eventually(lambda: all(node.runs(name) for name in names), "all run")
    eventually(lambda: not node.get("/v1/status")["problems"], "all is right")
    assert traffic.stop() == 0, node.losses()


def attempt(node: Managed, text: str) -> None:
    """Applies a text to a manager that is about to die."""
    with contextlib.suppress(httpx.TransportError):
        node.post("/v1/chains/apply", {"source": "chains.yml", "text": text})

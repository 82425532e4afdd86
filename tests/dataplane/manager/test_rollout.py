# SPDX-License-Identifier: BSD-3-Clause
"""Changes under traffic."""

from __future__ import annotations

from tests.dataplane.manager.managed import CHAIN, Managed
from tests.dataplane.manager.wire import Traffic


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

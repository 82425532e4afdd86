# SPDX-License-Identifier: BSD-3-Clause
"""Packets followed over three nodes, and what each node saw of a chain, in a packet's order."""

from __future__ import annotations

import json

import pytest

from onvm_runtime.cli.app import run
from onvm_runtime.cli.failure import ExitCode
from tests.dataplane.lab.nodes import LabOfNodes
from tests.dataplane.lab.test_links import THROUGH, described, traffic
from tests.dataplane.manager.wire import PACE, Traffic
from tests.dataplane.plane import eventually


def test_packets_are_followed_over_nodes(
    lab: LabOfNodes, inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def onvm(*arguments: str) -> str:
        assert run(["-i", inventory, *arguments]) == ExitCode.OK, capsys.readouterr()
        return capsys.readouterr().out

    lab.apply(described(THROUGH))
    lab.until_up()
    with traffic(lab):
        packets = json.loads(onvm("trace", "--chain", "web", "--count", "3", "--json"))
        drawn = onvm("trace", "--match", "type 0x88b5")
        (alone,) = json.loads(onvm("--limit", "a", "trace", "--chain", "web", "--json"))
    assert len(packets) == 3
    for packet in packets:
        assert [part["node"] for part in packet["nodes"]] == ["a", "b", "c"]
        hops = [hop for part in packet["nodes"] for hop in part["hops"]]
        assert [hop["instance"] for hop in hops] == ["near-1", "middle-1", "far-1"]
        assert [part["link"] for part in packet["nodes"]] == [None, "ab", "bc"]
        assert [part["to"] for part in packet["nodes"]] == ["ab", "bc", None]
        assert packet["nodes"][-1]["by"] == "server"
        assert all(hop["at"] <= part["seconds"] for part in packet["nodes"] for hop in part["hops"])
    assert "out by port server" in drawn
    assert alone["nodes"][0]["to"] == "ab"

    stats = [line.split() for line in onvm("stats", "--chain", "web").splitlines()]
    steps = [(row[0], row[2]) for row in stats if len(row) == 4 and row[1].isdigit()]
    assert steps[:3] == [("a", "near"), ("b", "middle"), ("c", "far")], stats
    latency = onvm("latency", "--chain", "web")
    assert [latency.index(name) for name in ("near", "middle", "far")] == sorted(
        latency.index(name) for name in ("near", "middle", "far")
    )

    lab.namespace.cut("bc")
    eventually(lambda: lab.nodes["a"].get("/v1/links")["links"][0]["cut_off"], "a knows")
    source, sink = lab.namespace.socket("client"), lab.namespace.socket("server")
    vain = Traffic(source, sink, PACE)
    try:
        (dropped,) = json.loads(onvm("trace", "--chain", "web", "--json"))
    finally:
        vain.stop()
        source.close()
        sink.close()
    (shed,) = dropped["nodes"]
    assert (shed["node"], shed["end"], shed["reason"]) == ("a", "dropped", "link_down")

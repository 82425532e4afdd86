# SPDX-License-Identifier: BSD-3-Clause
"""Probes over three nodes, on every kind of link, and the command that sends them."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from onvm_runtime.cli.app import run
from onvm_runtime.cli.failure import ExitCode
from tests.dataplane.lab.nodes import LINKS, LabOfNodes
from tests.dataplane.lab.test_links import THROUGH, described
from tests.dataplane.plane import eventually

ALL = ["near-1", "middle-1", "far-1"]
ONE_WAY = {"nsh": [["a", "b", "c"]], "vlan": [["a"], ["b"], ["c"]]}
ONE_WAY["vxlan-gpe"] = ONE_WAY["nsh"]


def buffers_out(lab: LabOfNodes) -> int:
    """Buffers that NFs and edges of all nodes hold."""
    return sum(node.get("/v1/stats")["node"]["buffers_out"] for node in lab.nodes.values())


@pytest.mark.parametrize("kind", LINKS)
def test_a_probe_meets_every_nf_of_a_lab_and_does_not_leave_it(
    lab: LabOfNodes,
    inventory: str,
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def probe(*arguments: str, code: int = ExitCode.OK) -> list[dict[str, Any]]:
        asked = ["-i", inventory, "chain", "probe", "web", "--json", *arguments]
        assert run(asked) == code, capsys.readouterr()
        ways: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return ways

    lab.apply(described(THROUGH, kind))
    lab.until_up()
    for length in ("60", "1514"):
        ways = probe("--length", length)
        nodes = [[part["node"] for part in way["nodes"]] for way in ways]
        assert sorted(nodes) == sorted([*ONE_WAY[kind], *(way[::-1] for way in ONE_WAY[kind])])
        met = [hop["instance"] for way in ways for part in way["nodes"] for hop in part["hops"]]
        assert sorted(met) == sorted(2 * ALL)
        assert {way["nodes"][-1]["reason"] for way in ways} == {"probe_arrived"}
    assert lab.nodes["c"].sent("server") == lab.nodes["a"].sent("client") == 0

    nfs = lab.nodes["b"].get("/v1/nfs")["nfs"]
    os.kill(nfs[0]["pid"], signal.SIGSTOP)
    try:
        ends = [way["nodes"][-1] for way in probe("--seconds", "1", code=ExitCode.FAILED)]
    finally:
        os.kill(nfs[0]["pid"], signal.SIGCONT)
    lost = [(part["node"], part["hops"]) for part in ends if part["end"] == "lost"]
    assert lost == 2 * [("b", [])]
    eventually(lambda: buffers_out(lab) == 0, "all buffers are back")
    assert lab.nodes["c"].sent("server") == lab.nodes["a"].sent("client") == 0

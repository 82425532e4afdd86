# SPDX-License-Identifier: BSD-3-Clause
"""Policies of autoscaling under real load: up while it lasts, down when it is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import wrpcap

from tests.dataplane.manager.managed import Managed
from tests.dataplane.plane import eventually
from tests.dataplane.test_path import frame

FLOWS = 256
SPEC = """
services:
  a:
    nf: forward
    parameters: {cost: 2000}
    autoscale: {min: 1, max: 3, metric: METRIC, up_seconds: 0, down_seconds: 4, cooldown_seconds: 1}
chains:
  - {name: web, match: {port: PORT}, path: [a], egress: out}
"""
POLICIES = {"queue": "queue, high: 64, low: 8", "cpu": "cpu, high: 30, low: 10"}


def shown(node: Managed) -> Any:
    return next(s for s in node.get("/v1/services")["services"] if s["name"] == "a")


def steps(node: Managed, count: int) -> list[tuple[int, int]]:
    """What the policy has changed, once it is so many steps."""
    eventually(lambda: len(shown(node)["scalings"]) >= count, f"{count} steps", 120)
    return [(event["before"], event["after"]) for event in shown(node)["scalings"]]


@pytest.mark.parametrize("metric", ["queue", pytest.param("cpu", marks=pytest.mark.long)])
def test_a_service_grows_under_load_and_shrinks_after_it(
    make: Callable[..., Managed], directory: Path, metric: str
) -> None:
    receive = str(directory / "in.pcap")
    wrpcap(receive, [frame(i) for i in range(FLOWS)])
    node = make(
        ports=[
            {"name": "busy", "kind": "pcap", "receive": receive, "loop": True},
            {"name": "silent", "kind": "pcap", "transmit": "/dev/null"},
            {"name": "out", "kind": "pcap", "transmit": "/dev/null"},
        ]
    )
    node.start()
    spec = SPEC.replace("METRIC", POLICIES[metric])
    node.apply(spec.replace("PORT", "busy"))
    assert steps(node, 2) == [(1, 2), (2, 3)]
    eventually(lambda: all(node.runs(f"a-{n}") for n in (1, 2, 3)), "they run", 30)
    node.apply(node.get("/v1/spec")["text"].replace("port: busy", "port: silent"))
    assert steps(node, 4)[2:] == [(3, 2), (2, 1)]
    assert shown(node)["replicas"] == 1

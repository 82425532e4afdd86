# SPDX-License-Identifier: BSD-3-Clause
"""NFs on one core whose CPU weights follow what arrives at them."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.dataplane.manager.managed import Managed
from tests.dataplane.plane import DATAPLANE, eventually

COST = 3000
SPEC = f"""
services:
  cheap: {{nf: forward, placement: "1", parameters: {{cost: {COST}}}, cpu_weight: WEIGHT}}
  costly: {{nf: forward, placement: "1", parameters: {{cost: {3 * COST}}}, cpu_weight: WEIGHT}}
chains:
  - {{name: one, match: {{port: first}}, path: [cheap], egress: out}}
  - {{name: other, match: {{port: second}}, path: [costly], egress: out}}
"""
SERVICES = ("cheap", "costly")
LOOK_SECONDS = 1.0


def handled(node: Managed) -> list[int]:
    nfs = {nf["service"]: nf["counters"] for nf in node.get("/v1/stats")["nfs"]}
    return [nfs[service]["rx"]["packets"] for service in SERVICES]


def advantage(node: Managed) -> float:
    """How many packets the cheap one handles for one of the costly one, for a while."""
    before = handled(node)
    time.sleep(LOOK_SECONDS)
    cheap, costly = (now - then for now, then in zip(handled(node), before, strict=True))
    return cheap / costly


def test_equal_arrivals_are_served_equally_though_one_costs_three_times_as_much(
    make: Callable[..., Managed],
) -> None:
    """As the figures of NFVnice show: without, the throughputs differ by the costs."""
    node = make(
        dataplane={"program": str(DATAPLANE), "buffers": 4096},
        ports=[{"name": name, "kind": "null"} for name in ("first", "second", "out")],
    )
    node.start()
    node.apply(SPEC.replace("WEIGHT", "100"))
    eventually(lambda: all(handled(node)), "packets are handled")
    fixed = advantage(node)
    node.apply(SPEC.replace("WEIGHT", "rate"))
    by_rate = eventually(lambda: (found := advantage(node)) < 1.4 and found, "shares follow", 60)
    assert fixed / by_rate > 1.7, (fixed, by_rate)
    weights = [node.nf(f"{service}-1")["cpu_weight"] for service in SERVICES]
    assert 2 <= weights[1] / weights[0] <= 4.5, weights
    assert {node.nf(f"{service}-1")["weighed_by"] for service in SERVICES} <= {"cgroup", "nice"}

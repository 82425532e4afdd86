# SPDX-License-Identifier: BSD-3-Clause
"""What classification costs by the number of flows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Baseline, Figure, Finding, Target
from tests.bench.programs import columns
from tests.bench.registry import benchmark
from tests.bench.setting import Setting

BOUNDS = {1_000: 8.0, 1_000_000: 30.0}  # CPU ns/packet by flows
PACKETS, QUICK_PACKETS = 8_000_000, 1_000_000
EAL = ("--no-pci", "--in-memory", "--no-telemetry", "--log-level=lib.*:error")


@benchmark("lookup", "Classification of a packet, by the number of flows that take turns")
def lookup(setting: Setting) -> Iterator[Finding]:
    """From the frame to its chain; rte_hash gets its keys ready made."""
    for flows, bound in BOUNDS.items():
        yield from _flows(setting, flows, bound)


def _flows(setting: Setting, flows: int, bound: float) -> Iterator[Figure]:
    core = setting.cores[-1]
    packets = QUICK_PACKETS if setting.quick else PACKETS
    ours, other = columns(
        setting.build, "bench_lookup", core, str(flows), str(packets), str(setting.repeat),
        *EAL, f"--lcores=0@{core}",
    )  # fmt: skip
    yield Figure(
        f"lookup.{flows}",
        f"{flows:,} flows: parsing, hash and flow table",
        "CPU ns/packet",
        ours,
        Baseline("rte_hash bulk", other),
        Target("value", "<=", bound),
    )

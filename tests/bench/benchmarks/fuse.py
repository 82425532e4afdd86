# SPDX-License-Identifier: BSD-3-Clause
"""A chain whose NFs share a process, beside the same chain of processes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Baseline, Figure, Finding, Target
from tests.bench.registry import benchmark
from tests.bench.sampling import Sample, interleave
from tests.bench.setting import Setting
from tests.bench.systems.onvm import fused_chain, onvm_chain

NFS = 7
QUANTITIES = {"throughput": ("mpps", "Mpps"), "hop": ("nf_ns", "CPU ns/packet")}


@benchmark("fuse", "Fused NFs that swap MAC addresses: 64-byte packets, null port")
def fuse(setting: Setting) -> Iterator[Finding]:
    """The hop is the mean of all, so the way into the process and home is in it."""
    placement = setting.place(NFS)
    with fused_chain(placement) as fused, onvm_chain(placement) as apart:
        found = interleave([fused, apart], setting.repeat, setting.seconds)
    targets = {"hop": Target("value", "<=", 4)}
    titles = {"throughput": f"{NFS} NFs fused, throughput", "hop": f"{NFS} NFs fused, each hop"}
    for key, (quantity, unit) in QUANTITIES.items():
        yield Figure(
            f"fuse.{NFS}.{key}",
            titles[key],
            unit,
            _values(found[fused.name], quantity),
            Baseline("not fused", _values(found[apart.name], quantity)),
            targets.get(key),
        )


def _values(samples: list[Sample], quantity: str) -> tuple[float, ...]:
    return tuple(getattr(sample, quantity) for sample in samples)

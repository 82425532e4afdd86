# SPDX-License-Identifier: BSD-3-Clause
"""CPU time of a node on which nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tests.bench import processes
from tests.bench.benchmarks.wakeup import wired_plane
from tests.bench.figure import Figure, Finding, Target
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.bench.systems.onvm import start_nf

NFS = 10
SETTLE = 0.2  # seconds until all have fallen asleep


@benchmark("idle", "A node on which nothing happens")
def idle(setting: Setting) -> Iterator[Finding]:
    """The data plane with two wired ports and ten NFs, without a packet."""
    placement = setting.place(NFS)
    with wired_plane(placement.io) as (plane, _):
        for i, cpu in enumerate(placement.nfs):
            start_nf(plane, f"nf{i}", f"nf{i}", cpu)
        pids = [plane.process.pid, *(nf.pid for nf in plane.nfs.values())]
        time.sleep(SETTLE)
        samples = tuple(_percent(pids, setting.seconds) for _ in range(setting.repeat))
    yield Figure(
        "idle.10",
        f"data plane and {NFS} NFs, idle",
        "% of a core",
        samples,
        target=Target("value", "<=", 5),
    )


def _percent(pids: Sequence[int], seconds: float) -> float:
    before, start = _cpu(pids), time.monotonic_ns()
    time.sleep(seconds)
    return 100 * (_cpu(pids) - before) / (time.monotonic_ns() - start)


def _cpu(pids: Sequence[int]) -> int:
    return sum(map(processes.cpu_nanoseconds, pids))

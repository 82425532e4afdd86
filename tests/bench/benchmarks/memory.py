# SPDX-License-Identifier: BSD-3-Clause
"""Memory that one NF takes, beside the packets that all share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.figure import Baseline, Figure, Finding
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.bench.systems.onvm import onvm_chain
from tests.bench.systems.reference import reference_chain

NFS = 5


@benchmark("memory", "Memory of an NF")
def memory(setting: Setting) -> Iterator[Finding]:
    """The proportional set size of each NF of a chain; a sample is an NF."""
    placement = setting.place(NFS)
    with ExitStack() as stack:
        ours = stack.enter_context(onvm_chain(placement))
        other = stack.enter_context(reference_chain(setting.build, placement))
        for system in (ours, other):
            system.resume()
        yield Figure(
            "memory.nf",
            "proportional set size of an NF, without huge pages",
            "MB",
            tuple(map(proportional, ours.nf_pids)),
            Baseline("reference", tuple(proportional(nf.pid) for nf in other.nfs)),
        )


def proportional(pid: int) -> float:
    """MB of a process, what it shares divided by those who share it (proc(5), smaps)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("smaps_rollup has no Pss")

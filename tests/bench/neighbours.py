# SPDX-License-Identifier: BSD-3-Clause
"""A node on this host: an idle one does not disturb, a busy one must not be disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.failure import BenchError

PROGRAM = "onvm-dataplane"
LOOK = 0.2  # seconds
BUSY = 0.2  # of a core
LAST_CPU = 36  # in /proc/PID/stat, counted behind the program's name


def refuse_busy(cores: Sequence[int]) -> None:
    """Raises BenchError when a data plane is at work on one of the CPUs."""
    before = dict(_threads())
    time.sleep(LOOK)
    for thread, used in _threads():
        busy = (used - before.get(thread, used)) / (LOOK * 1e9)
        if busy > BUSY and _cpu(thread) in cores:
            raise BenchError(
                f"a data plane (process {thread.parts[2]}) is at work on CPU {_cpu(thread)}, which "
                "a benchmark would take from it: stop its traffic, name other CPUs by --cores, or "
                "measure --beside it"
            )


def _threads() -> Iterator[tuple[Path, int]]:
    """The threads of all data planes, with the CPU nanoseconds that each has used."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != PROGRAM:
                continue
            for thread in (process / "task").iterdir():
                yield thread, int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended


def _cpu(thread: Path) -> int:
    """Where a thread ran last; -1 when it has ended."""
    try:
        return int((thread / "stat").read_text().rpartition(")")[2].split()[LAST_CPU])
    except OSError:
        return -1

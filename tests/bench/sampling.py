# SPDX-License-Identifier: BSD-3-Clause
"""Rates of systems that take turns on the same cores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.bench.failure import BenchError

EXTENSIONS = 10  # of a turn in which nothing moved, at the most
WARM_UP = 0.08  # seconds after a turn begins, before its sample


@dataclass(frozen=True)
class Count:
    """What a system has done since it began.

    packets  those that left it
    io_cpu   nanoseconds of CPU of the process that receives and sends
    nf_cpu   the same of all NFs together
    handled  packets that NFs handled, one for each hop
    """

    packets: int
    io_cpu: int
    nf_cpu: int = 0
    handled: int = 0


class System(Protocol):
    """Something that forwards packets all the time, unless it is paused."""

    name: str

    def count(self) -> Count:
        """What it has done up to this moment."""

    def pause(self) -> None:
        """Stops all its processes."""

    def resume(self) -> None:
        """Lets them go on."""


@dataclass(frozen=True)
class Sample:
    """One system's turn.

    mpps   million packets a second that left it, by the wall clock
    io_ns  CPU nanoseconds of the I/O process for each of them
    nf_ns  CPU nanoseconds of an NF for each packet that it handled; 0 without NFs
    """

    mpps: float
    io_ns: float
    nf_ns: float


def moved(before: Count, after: Count) -> bool:
    """Whether packets left the system in between, and NFs, where there are any, handled some."""
    handled = after.handled > before.handled or after.nf_cpu == 0
    return after.packets > before.packets and handled


def between(before: Count, after: Count, seconds: float) -> Sample:
    """What happened in between; raises BenchError when nothing moved."""
    packets = after.packets - before.packets
    handled = after.handled - before.handled
    if not moved(before, after):
        raise BenchError(f"no packet passed it in {seconds:.1f} s: the machine is too busy")
    return Sample(
        mpps=packets / seconds / 1e6,
        io_ns=(after.io_cpu - before.io_cpu) / packets,
        nf_ns=(after.nf_cpu - before.nf_cpu) / handled if handled else 0.0,
    )


def sample(system: System, seconds: float) -> Sample:
    """One turn of a system that is paused before and afterwards.

    It takes longer where the machine let nothing move for so long.
    """
    system.resume()
    time.sleep(WARM_UP)
    before, start = system.count(), time.monotonic()
    for _ in range(EXTENSIONS):
        time.sleep(seconds)
        after, end = system.count(), time.monotonic()
        if moved(before, after):
            break
    system.pause()
    return between(before, after, end - start)


def interleave(
    systems: Sequence[System], repeat: int, seconds: float
) -> Mapping[str, list[Sample]]:
    """Samples of all systems by their names: A B A B …, after a turn of each that is not kept."""
    found: dict[str, list[Sample]] = {system.name: [] for system in systems}
    for system in systems:
        sample(system, WARM_UP)
    for _ in range(repeat):
        for system in systems:
            found[system.name].append(sample(system, seconds))
    return found

# SPDX-License-Identifier: BSD-3-Clause
"""Processes under measurement: where they run, when they run, and how much CPU time they take."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.bench.failure import BenchError

PATIENCE = 15.0  # seconds; reached only when something is wrong
SCHEDULER_CLOCK = 2  # CPUCLOCK_SCHED of clock_getcpuclockid(3)


def cpu_nanoseconds(pid: int) -> int:
    """CPU time of all threads of a process, up to this moment."""
    return time.clock_gettime_ns((~pid << 3) | SCHEDULER_CLOCK)


def pin(pid: int, cpu: int) -> None:
    """Keeps a process on one CPU."""
    os.sched_setaffinity(pid, {cpu})


def pause(pids: Iterable[int]) -> None:
    """Stops processes where they are."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def resume(pids: Iterable[int]) -> None:
    """Lets stopped processes go on."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def wait_for(condition: Callable[[], Any], what: str, interval: float = 0.01) -> Any:
    """Waits until `condition` holds and returns its value; raises BenchError with `what`."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise BenchError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(interval)
    return value

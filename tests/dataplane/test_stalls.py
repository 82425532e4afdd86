# SPDX-License-Identifier: BSD-3-Clause
"""The stall meter sees whom a machine keeps waiting, and for how long."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

from tests.dataplane.plane import eventually
from tests.dataplane.stalls import StallMeter

STALL = 0.3  # seconds
BUSY = [sys.executable, "-c", "while True: pass"]


def stall() -> None:
    """Keeps the interpreter's lock and sleeps: no other thread of Python's runs meanwhile."""
    ctypes.PyDLL(None).usleep(int(STALL * 1e6))


def test_a_stall_of_this_process_counts_from_the_moment_asked_about() -> None:
    with StallMeter() as meter:
        time.sleep(0.05)
        began = time.monotonic()
        stall()
        eventually(lambda: meter.total(since=began) > STALL - 0.05, "it is noted")
        over = time.monotonic()
        assert meter.total(since=over) <= time.monotonic() - over


def test_a_process_that_another_keeps_from_its_cpu_is_seen() -> None:
    cpu = min(os.sched_getaffinity(0))
    pinned = ["taskset", "--cpu-list", str(cpu)]
    with (
        subprocess.Popen([*pinned, "nice", "-n", "19", *BUSY]) as kept_out,
        subprocess.Popen([*pinned, *BUSY]) as busy,
        StallMeter([kept_out.pid]) as meter,
        StallMeter() as nobody,
    ):
        try:
            eventually(lambda: meter.total(since=0) - nobody.total(since=0) > 0.5, "it is noted")
        finally:
            kept_out.kill()
            busy.kill()

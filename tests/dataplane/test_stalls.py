# SPDX-License-Identifier: BSD-3-Clause
"""The stall meter sees for how long nobody else in the process could run."""

from __future__ import annotations

import ctypes
import time

from tests.dataplane.stalls import StallMeter

STALL = 0.3  # seconds


def stall() -> None:
    """Keeps the interpreter's lock and sleeps: no other thread of Python's runs meanwhile."""
    ctypes.PyDLL(None).usleep(int(STALL * 1e6))


def test_a_stall_counts_from_the_moment_asked_about() -> None:
    with StallMeter() as meter:
        time.sleep(0.05)
        began = time.monotonic()
        stall()
        time.sleep(0.05)
        over = time.monotonic()
        assert STALL - 0.05 < meter.longest(since=began) <= over - began
        assert meter.longest(since=began + STALL / 2) <= over - began - STALL / 2


def test_what_was_before_does_not_count() -> None:
    with StallMeter() as meter:
        stall()
        time.sleep(0.01)
        over = time.monotonic()
        time.sleep(0.05)
        assert meter.longest(since=over) <= time.monotonic() - over

# SPDX-License-Identifier: BSD-3-Clause
"""A testbed that does nothing takes nothing."""

from __future__ import annotations

import time

from ..node import Node
from ..promise import Story

TITLE = "At rest"
SECONDS = 3.0
CORE_PERCENT = 5.0
SCHEDULER_CLOCK = 2  # CPUCLOCK_SCHED of Linux


def show(story: Story, node: Node) -> None:
    """Measure the data plane and the NFs while no packet moves."""
    status = node.status()
    pids = [status["dataplane"]["pid"], *(nf["pid"] for nf in status["nfs"])]
    before = sum(map(_cpu_seconds, pids))
    time.sleep(SECONDS)
    percent = 100 * (sum(map(_cpu_seconds, pids)) - before) / SECONDS
    what = "data plane and all NFs, of one core"
    story.check(what, f"< {CORE_PERCENT:.0f} %", f"{percent:.1f} %", percent < CORE_PERCENT)
    story.check("problems that the manager sees", "none", "; ".join(status["problems"]) or "none")


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; proc(5) has it in ticks (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | SCHEDULER_CLOCK)

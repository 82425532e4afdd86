# SPDX-License-Identifier: BSD-3-Clause
"""Weighted shares of CPUs for processes: by cgroups where the manager may make them, else by nice.

A process of weight 100 is left as it is, for that is what every process has.  Another gets a
cgroup beside those of the system: in cgroup v2 with cpu.weight, in v1 with cpu.shares (100
there is 1024 here).  A nice level is worth a quarter of a weight more than the next
(kernel/sched/core.c, sched_prio_to_weight).
"""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

from onvm_runtime.chains.spec import CPU_WEIGHT

V1_SHARES = 1024  # of weight 100

log = logging.getLogger(__name__)


class CpuShares:
    """The shares of one node's processes."""

    def __init__(self, node: str, root: Path = Path("/sys/fs/cgroup")) -> None:
        self._unified = (root / "cgroup.controllers").exists()
        self._root = root if self._unified else root / "cpu"
        self._node = node
        self._by: dict[str, str] = {}

    def set(self, name: str, pid: int, weight: int) -> None:
        """Gives a process a weight from 1 to 10000; a process that has ended is left alone."""
        if weight == CPU_WEIGHT and name not in self._by:
            return
        try:
            self._set_cgroup(name, pid, weight)
            self._by[name] = "cgroup"
        except OSError as error:
            if self._by.get(name) != "nice":
                log.info("no cgroup for %s (%s): its weight is a nice level", name, error)
            self._by[name] = "nice"
            _set_nice(pid, nice_level(weight))

    def by(self, name: str) -> str:
        """What a process's weight is enforced by; empty where there is nothing to enforce."""
        return self._by.get(name, "")

    def forget(self, name: str) -> None:
        """Removes the cgroup of a process that has ended, also one that a manager before made."""
        self._by.pop(name, None)
        try:
            self._group(name).rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            log.info("the cgroup of %s stays: %s", name, error)

    def _group(self, name: str) -> Path:
        return self._root / f"onvm-{self._node}-{name}"

    def _set_cgroup(self, name: str, pid: int, weight: int) -> None:
        group = self._group(name)
        group.mkdir(exist_ok=True)
        if self._unified:
            (self._root / "cgroup.subtree_control").write_text("+cpu")
            (group / "cpu.weight").write_text(str(weight))
        else:
            (group / "cpu.shares").write_text(str(max(2, weight * V1_SHARES // 100)))
        (group / "cgroup.procs").write_text(str(pid))


def nice_level(weight: int) -> int:
    """The nice level whose weight is nearest: 0 for 100, -20 to 19."""
    return max(-20, min(19, -round(math.log(weight / 100, 1.25))))


def _set_nice(pid: int, level: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, level)
        # A process with a session of its own competes by the level of its autogroup.
        Path(f"/proc/{pid}/autogroup").write_text(str(level))
    except OSError as error:
        log.info("process %d keeps its nice level: %s", pid, error)

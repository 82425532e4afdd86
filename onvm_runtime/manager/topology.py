# SPDX-License-Identifier: BSD-3-Clause
"""The CPUs that this node may use, and how they are related, from sysfs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onvm_runtime.chains.values import cpus as parse

_SYSTEM = "sys/devices/system"
# The CPUs of the manager's cgroup: those of its container, where it runs in one.
_CPUSETS = ("sys/fs/cgroup/cpuset.cpus.effective", "sys/fs/cgroup/cpuset/cpuset.effective_cpus")


@dataclass(frozen=True)
class Cpu:
    """One CPU: the first of the hyperthreads of its core, and its NUMA node."""

    number: int
    core: int
    socket: int


@dataclass(frozen=True)
class Topology:
    """All CPUs that may be used, by number, and those that the kernel leaves alone."""

    cpus: Mapping[int, Cpu]
    isolated: frozenset[int] = frozenset()


def read(root: Path = Path("/")) -> Topology:
    """Reads the topology of the host whose files are below `root`."""
    online = _list(root, f"{_SYSTEM}/cpu/online")
    allowed = next((given for name in _CPUSETS if (given := _list(root, name))), online)
    sockets = _sockets(root)
    found = {
        number: Cpu(number, _core(root, number), sockets.get(number, 0))
        for number in sorted(online & allowed)
    }
    isolated = _list(root, f"{_SYSTEM}/cpu/isolated")
    return Topology(found, frozenset(isolated & found.keys()))


def _core(root: Path, number: int) -> int:
    siblings = _list(root, f"{_SYSTEM}/cpu/cpu{number}/topology/thread_siblings_list")
    return min(siblings, default=number)


def _sockets(root: Path) -> dict[int, int]:
    nodes = (root / _SYSTEM / "node").glob("node*/cpulist")
    return {
        cpu: int(match[1])
        for path in nodes
        if (match := re.fullmatch(r"node(\d+)", path.parent.name))
        for cpu in _list(root, str(path.relative_to(root)))
    }


def _list(root: Path, name: str) -> set[int]:
    """The CPUs that a file lists; none when it is not there."""
    try:
        text = (root / name).read_text().strip()
    except OSError:
        return set()
    return set(parse(text)) if text else set()

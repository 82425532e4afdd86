# SPDX-License-Identifier: BSD-3-Clause
"""Which CPUs each NF process may use.  Pure: a topology and wishes in, CPUs out.

    auto    one CPU of the data plane's sockets: a core of its own while there is one, then
            another thread of such a core, then the CPU that the fewest share
    shared  all CPUs of the data plane's sockets that NFs may use
    CPUs    these, wherever they are

The workers' CPUs and their hyperthreads are for the workers, and isolated CPUs for those
that have one CPU; either is taken only when nothing else is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from onvm_runtime.chains.spec import Placement
from onvm_runtime.manager.topology import Cpu, Topology


@dataclass(frozen=True)
class Place:
    """Where a process runs.

    alone   nobody else is placed on its CPU, nor on another thread of that core
    remote  it may run on another socket than the data plane
    """

    cpus: tuple[int, ...]
    alone: bool = False
    remote: bool = False


def assign(
    topology: Topology,
    workers: Collection[int],
    wishes: Mapping[str, Placement],
    held: Mapping[str, tuple[int, ...]] | None = None,
    allowed: Collection[int] | None = None,
) -> dict[str, Place]:
    """A place for each process that `wishes` names.

    `held` is where processes run now: auto leaves them there.  `allowed` are the CPUs that
    NFs may use (None: all).  A node without one known CPU gets empty places: no limits.
    """
    ground = _Ground(topology, workers, allowed)
    load = Counter[int]()
    given: dict[str, tuple[int, ...]] = {}
    for name, wish in wishes.items():
        if wish == "shared":
            given[name] = ground.shared()
        elif wish != "auto":
            given[name] = tuple(cpu for cpu in wish if isinstance(cpu, int))
            load.update(given[name])
    waiting = [name for name, wish in wishes.items() if wish == "auto"]
    for name in sorted(waiting, key=lambda name: not ground.keeps((held or {}).get(name))):
        before = (held or {}).get(name)
        given[name] = before if before and ground.keeps(before) else ground.next(load)
        load.update(given[name])
    return {name: ground.place(given[name], given) for name in wishes}


class _Ground:
    """The CPUs of a node as candidates."""

    def __init__(
        self, topology: Topology, workers: Collection[int], allowed: Collection[int] | None
    ) -> None:
        self._all = topology.cpus
        self._isolated = topology.isolated
        self._workers = set(workers)
        self._sockets = {self._all[cpu].socket for cpu in workers if cpu in self._all}
        may = [c for c in self._all.values() if allowed is None or c.number in allowed]
        near = [c for c in may if not self._sockets or c.socket in self._sockets]
        self._candidates = self._apart(near or may)

    def shared(self) -> tuple[int, ...]:
        numbers = [cpu.number for cpu in self._candidates]
        return tuple(n for n in numbers if n not in self._isolated) or tuple(numbers)

    def keeps(self, cpus: Sequence[int] | None) -> bool:
        """Whether auto would have chosen such a place, too."""
        return bool(cpus) and len(cpus or ()) == 1 and self._is_candidate((cpus or ())[0])

    def next(self, load: Counter[int]) -> tuple[int, ...]:
        """The best CPU for one more process."""
        if not self._candidates:
            return ()
        return (min(self._candidates, key=lambda cpu: self._rank(cpu, load)).number,)

    def place(self, cpus: tuple[int, ...], given: Mapping[str, tuple[int, ...]]) -> Place:
        cores = {self._core(cpu) for cpu in cpus}
        others = Counter(core for each in given.values() for core in {self._core(c) for c in each})
        taken = {self._core(cpu) for cpu in self._workers}
        return Place(
            cpus,
            alone=len(cpus) == 1 and others[self._core(cpus[0])] == 1 and not cores & taken,
            remote=any(
                cpu in self._all and self._all[cpu].socket not in self._sockets for cpu in cpus
            )
            and bool(self._sockets),
        )

    def _rank(self, cpu: Cpu, load: Counter[int]) -> tuple[int, int, bool, int]:
        """Lower is better: empty CPUs of empty cores, then empty CPUs, then the least shared."""
        of_core = sum(load[other.number] for other in self._all.values() if other.core == cpu.core)
        return load[cpu.number], of_core, cpu.number not in self._isolated, cpu.number

    def _apart(self, near: list[Cpu]) -> list[Cpu]:
        """Those apart from workers; else other threads of their cores; else what there is."""
        cores = {self._core(worker) for worker in self._workers}
        apart = [cpu for cpu in near if cpu.core not in cores]
        beside = [cpu for cpu in near if cpu.number not in self._workers]
        return apart or beside or near

    def _is_candidate(self, number: int) -> bool:
        return any(cpu.number == number for cpu in self._candidates)

    def _core(self, number: int) -> int:
        return self._all[number].core if number in self._all else number


def cpu_list(cpus: Sequence[int]) -> str:
    """CPUs as a cpuset has them: 0-1,4."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)

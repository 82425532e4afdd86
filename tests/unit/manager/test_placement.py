# SPDX-License-Identifier: BSD-3-Clause
"""Where NFs run, on machines of all kinds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime.manager import topology
from onvm_runtime.manager.placement import Place, assign, cpu_list
from onvm_runtime.manager.topology import Cpu, Topology


def machine(*cores: tuple[int, ...], sockets: int = 1, isolated: Iterable[int] = ()) -> Topology:
    """Cores as tuples of their threads, dealt to the sockets in blocks."""
    block = len(cores) // sockets
    cpus = {
        number: Cpu(number, threads[0], index // block)
        for index, threads in enumerate(cores)
        for number in threads
    }
    return Topology(cpus, frozenset(isolated))


FOUR = machine((0,), (1,), (2,), (3,))
TWO = machine((0,), (1,))
ONE = machine((0,))
SMT = machine((0, 4), (1, 5), (2, 6), (3, 7))
SOCKETS = machine((0,), (1,), (2,), (3,), sockets=2)
BIG = machine((0, 8), (1, 9), (2, 10), (3, 11), (4, 12), (5, 13), (6, 14), (7, 15), sockets=2)
ISOLATED = machine((0,), (1,), (2,), (3,), isolated=(2, 3))

AUTO = [
    ("a core each", FOUR, [0], 3, [1, 2, 3]),
    ("then shared evenly", FOUR, [0], 7, [1, 2, 3, 1, 2, 3, 1]),
    ("two cores: all on the other", TWO, [0], 3, [1, 1, 1]),
    ("one core: with the worker", ONE, [0], 2, [0, 0]),
    ("two workers on two cores", TWO, [0, 1], 3, [0, 1, 0]),
    ("cores before their other threads", SMT, [0], 6, [1, 2, 3, 5, 6, 7]),
    ("never beside a worker", SMT, [0], 7, [1, 2, 3, 5, 6, 7, 1]),
    ("beside a worker when nothing is left", machine((0, 1)), [0], 2, [1, 1]),
    ("the worker's socket", SOCKETS, [2], 3, [3, 3, 3]),
    ("the sockets of two workers", SOCKETS, [0, 2], 3, [1, 3, 1]),
    ("sockets with threads", BIG, [4], 4, [5, 6, 7, 13]),
    ("isolated CPUs first", ISOLATED, [0], 3, [2, 3, 1]),
    ("a worker that is not there", FOUR, [9], 2, [0, 1]),
]


@pytest.mark.parametrize(
    ("machine", "workers", "count", "wanted"), [case[1:] for case in AUTO], ids=[c[0] for c in AUTO]
)
def test_auto(machine: Topology, workers: list[int], count: int, wanted: list[int]) -> None:
    places = assign(machine, workers, {f"nf-{n}": "auto" for n in range(count)})
    assert [place.cpus for place in places.values()] == [(cpu,) for cpu in wanted]


WISHES: list[tuple[str, Topology, list[int], Any, Place]] = [
    ("shared is all but the workers", FOUR, [0], "shared", Place((1, 2, 3))),
    ("shared leaves isolated CPUs out", ISOLATED, [0], "shared", Place((1,), alone=True)),
    ("shared stays on the socket", SOCKETS, [0], "shared", Place((1,), alone=True)),
    ("another socket when asked", SOCKETS, [0], (3,), Place((3,), alone=True, remote=True)),
    ("several CPUs", FOUR, [0], (2, 3), Place((2, 3))),
    ("beside a worker when asked", SMT, [0], (4,), Place((4,))),
    ("nothing known, nothing limited", Topology({}), [0], "auto", Place(())),
]


@pytest.mark.parametrize(
    ("machine", "workers", "wish", "wanted"), [case[1:] for case in WISHES],
    ids=[c[0] for c in WISHES],
)  # fmt: skip
def test_wishes(machine: Topology, workers: list[int], wish: Any, wanted: Place) -> None:
    assert assign(machine, workers, {"nf": wish}) == {"nf": wanted}


def test_auto_makes_way_for_what_was_asked_for() -> None:
    places = assign(FOUR, [0], {"a": "auto", "b": (1,), "c": "auto"})
    assert [place.cpus for place in places.values()] == [(2,), (1,), (3,)]
    assert all(place.alone for place in places.values())


def test_who_runs_stays_where_it_is() -> None:
    places = assign(FOUR, [0], {"new": "auto", "old": "auto"}, held={"old": (1,), "gone": (2,)})
    assert (places["old"].cpus, places["new"].cpus) == ((1,), (2,))


def test_who_runs_where_nfs_may_not_moves() -> None:
    places = assign(FOUR, [0], {"a": "auto"}, held={"a": (0,)})
    assert places["a"].cpus == (1,)


def test_nobody_is_alone_on_a_shared_core() -> None:
    places = assign(SMT, [0], {"a": (1,), "b": (5,), "c": (2,)})
    assert [place.alone for place in places.values()] == [False, False, True]


def test_only_allowed_cpus_are_taken() -> None:
    places = assign(FOUR, [0], {"a": "auto", "b": "auto", "c": "shared"}, allowed=[2])
    assert [place.cpus for place in places.values()] == [(2,), (2,), (2,)]


LISTS = [((), ""), ((3,), "3"), ((0, 1, 2), "0-2"), ((4, 0, 1), "0-1,4")]


@pytest.mark.parametrize(("cpus", "text"), LISTS)
def test_cpu_list(cpus: tuple[int, ...], text: str) -> None:
    assert cpu_list(cpus) == text


def sysfs(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


SYSTEM = "sys/devices/system"
HOST = {
    f"{SYSTEM}/cpu/online": "0-2,4",
    f"{SYSTEM}/cpu/isolated": "2,4",
    f"{SYSTEM}/node/node0/cpulist": "0-1",
    f"{SYSTEM}/node/node1/cpulist": "2-4",
    **{
        f"{SYSTEM}/cpu/cpu{cpu}/topology/thread_siblings_list": threads
        for cpu, threads in enumerate(["0-1", "0-1", "2", "3", "4"])
    },
}


def test_sysfs_is_read(tmp_path: Path) -> None:
    assert topology.read(sysfs(tmp_path, HOST)) == Topology(
        {0: Cpu(0, 0, 0), 1: Cpu(1, 0, 0), 2: Cpu(2, 2, 1), 4: Cpu(4, 4, 1)}, frozenset({2, 4})
    )


@pytest.mark.parametrize("file", topology._CPUSETS)
def test_only_the_container_s_cpus_count(tmp_path: Path, file: str) -> None:
    found = topology.read(sysfs(tmp_path, {**HOST, file: "1-2"}))
    assert (sorted(found.cpus), found.isolated) == ([1, 2], {2})


def test_this_machine_has_cpus() -> None:
    assert topology.read().cpus

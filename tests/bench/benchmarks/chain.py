# SPDX-License-Identifier: BSD-3-Clause
"""Throughput and CPU time by the length of a chain of NFs that swap MAC addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack

from tests.bench.failure import BenchError
from tests.bench.figure import Baseline, Figure, Finding, Missing, Target, or_missing
from tests.bench.registry import benchmark
from tests.bench.sampling import Sample, System, interleave
from tests.bench.setting import Placement, Setting
from tests.bench.systems.onvm import onvm_chain
from tests.bench.systems.reference import reference_chain
from tests.bench.systems.testpmd import testpmd

PROMISED = (1, 2, 3, 5, 7)  # lengths whose throughput has a target

Start = Callable[[], AbstractContextManager[System]]
Found = Mapping[str, Sequence[Sample]]


@benchmark("chain", "Chains of NFs that swap MAC addresses: 64-byte packets, null port")
def chain(setting: Setting) -> Iterator[Finding]:
    """Ours against the reference chain at each length, and against dpdk-testpmd with one NF."""
    for length in setting.lengths:
        yield from or_missing(f"chain.{length}", _title(length, "all"), _length(setting, length))


def _length(setting: Setting, length: int) -> Iterator[Finding]:
    placement = setting.place(length)
    with ExitStack() as stack:
        systems: list[System] = [stack.enter_context(onvm_chain(placement))]
        for name, start in _others(setting, placement).items():
            other = _enter(stack, start)
            if isinstance(other, BenchError):
                yield Missing(f"chain.{length}.{name}", _title(length, name), str(other))
            else:
                systems.append(other)
        found = interleave(systems, setting.repeat, setting.seconds)
    yield _throughput(length, found, placement)
    if "testpmd" in found:
        yield _against_driver(found)
    yield _io_cost(length, found)
    yield _hop_cost(length, found, placement)


def _enter(stack: ExitStack, start: Start) -> System | BenchError:
    """A baseline that does not start leaves the others to be measured."""
    try:
        return stack.enter_context(start())
    except BenchError as error:
        return error


def _others(setting: Setting, placement: Placement) -> Mapping[str, Start]:
    others: dict[str, Start] = {"reference": lambda: reference_chain(setting.build, placement)}
    if len(placement.nfs) == 1:
        others["testpmd"] = lambda: testpmd(placement.io, placement.nfs[0])
    return others


def _title(length: int, what: str) -> str:
    return f"{length} NF{'s' if length > 1 else ''}, {what}"


def _throughput(length: int, found: Found, placement: Placement) -> Figure:
    return Figure(
        f"chain.{length}.throughput",
        _title(length, "throughput"),
        "Mpps",
        _values(found, "onvm", "mpps"),
        _baseline(found, "reference", "mpps"),
        Target("ratio", ">=", 1.6) if length in PROMISED else None,
        "each NF has a core" if placement.own else "NFs share a core",
    )


def _against_driver(found: Found) -> Figure:
    return Figure(
        "chain.1.driver",
        _title(1, "against the driver alone"),
        "Mpps",
        _values(found, "onvm", "mpps"),
        _baseline(found, "testpmd", "mpps"),
        Target("ratio", ">=", 0.5),
    )


def _io_cost(length: int, found: Found) -> Figure:
    """A target with one NF only: with more the thread waits for them, by polling."""
    return Figure(
        f"chain.{length}.io",
        _title(length, "I/O thread"),
        "CPU ns/packet",
        _values(found, "onvm", "io_ns"),
        _baseline(found, "reference", "io_ns"),
        Target("value", "<=", 22) if length == 1 else None,
    )


def _hop_cost(length: int, found: Found, placement: Placement) -> Figure:
    """A target where NFs share a core: one that has a core polls it for all that it is worth."""
    shared = len(set(placement.nfs)) < length
    return Figure(
        f"chain.{length}.hop",
        _title(length, "each hop"),
        "CPU ns/packet",
        _values(found, "onvm", "nf_ns"),
        _baseline(found, "reference", "nf_ns"),
        Target("value", "<=", 9) if shared else None,
    )


def _values(found: Found, system: str, quantity: str) -> tuple[float, ...]:
    return tuple(getattr(sample, quantity) for sample in found[system])


def _baseline(found: Found, system: str, quantity: str) -> Baseline | None:
    if system not in found:
        return None
    return Baseline(system, _values(found, system, quantity))

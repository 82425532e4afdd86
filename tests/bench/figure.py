# SPDX-License-Identifier: BSD-3-Clause
"""What a benchmark finds out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.bench.failure import BenchError
from tests.bench.statistics import Spread, ratio


@dataclass(frozen=True)
class Target:
    """A bound that the median of the ratio, or of the figure itself, must keep."""

    of: Literal["ratio", "value"]
    sign: Literal[">=", "<="]
    bound: float

    def holds(self, found: float) -> bool:
        """Whether what was found keeps the bound."""
        return found >= self.bound if self.sign == ">=" else found <= self.bound


@dataclass(frozen=True)
class Baseline:
    """Samples of another system, taken in turn with ours."""

    name: str
    samples: tuple[float, ...]


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    key    unique and stable: benchmark.case.quantity
    title  what it is, for people
    unit   Mpps, ns/packet (CPU time), us, ms, MB, %
    note   what a reader must know to read it, or nothing
    """

    key: str
    title: str
    unit: str
    samples: tuple[float, ...]
    baseline: Baseline | None = None
    target: Target | None = None
    note: str = ""

    @property
    def value(self) -> Spread:
        """The median and spread of the samples."""
        return Spread.of(self.samples)

    @property
    def ratio(self) -> Spread | None:
        """This over the baseline, if there is one."""
        return ratio(self.samples, self.baseline.samples) if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one, or without the baseline it is about."""
        if self.target is None:
            return None
        found = self.value if self.target.of == "value" else self.ratio
        return self.target.holds(found.median) if found else None


@dataclass(frozen=True)
class Missing:
    """Something that could not be measured here, and why."""

    key: str
    title: str
    reason: str


Finding = Figure | Missing


def or_missing(key: str, title: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings; what stops them is the last.  Raises KeyboardInterrupt if that stops them."""
    try:
        yield from findings
    except (BenchError, AssertionError, OSError) as error:
        if _follows_an_interrupt(error):
            raise KeyboardInterrupt from error
        yield Missing(key, title, str(error))


def _follows_an_interrupt(error: BaseException | None) -> bool:
    """Whether it was raised by the clearing up after one, and hides it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None

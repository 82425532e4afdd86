# SPDX-License-Identifier: BSD-3-Clause
"""The table that people read."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from tests.bench.figure import Figure, Finding, Missing, Target
from tests.bench.statistics import Spread

COLUMNS = ("FIGURE", "#MEDIAN (MIN-MAX)", "UNIT", "BASELINE", "#ITS MEDIAN (MIN-MAX)",
           "#RATIO (MIN-MAX)", "TARGET", "")  # fmt: skip


def draw(title: str, findings: Iterable[Finding]) -> Table:
    """One benchmark's figures, a row each; what is missing says why."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in COLUMNS:
        number = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if number else "left")
    for finding in findings:
        table.add_row(*(_missing(finding) if isinstance(finding, Missing) else _row(finding)))
    return table


def _row(figure: Figure) -> list[str | Text]:
    baseline = figure.baseline
    return [
        figure.title,
        spread(figure.value),
        figure.unit,
        baseline.name if baseline else "",
        spread(Spread.of(baseline.samples)) if baseline else "",
        spread(figure.ratio) if figure.ratio else "",
        _target(figure.target),
        _verdict(figure.met),
    ]


def _missing(missing: Missing) -> list[str | Text]:
    return [missing.title, "not measured", Text(missing.reason, overflow="fold")]


def spread(found: Spread) -> str:
    """A median with its spread, in three digits: 44.3 (41.6-50.3)."""
    return f"{digits(found.median)} ({digits(found.low)}-{digits(found.high)})"


def digits(number: float) -> str:
    """Three digits, or as many as the whole number has."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    return f"{'ratio ' if target.of == 'ratio' else ''}{target.sign} {target.bound:g}"


def _verdict(met: bool | None) -> Text:
    if met is None:
        return Text("")
    return Text("met", "green") if met else Text("missed", "bold red")

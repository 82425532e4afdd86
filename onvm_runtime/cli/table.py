# SPDX-License-Identifier: BSD-3-Clause
"""Tables and numbers as all commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((86400, "d"), (3600, "h"), (60, "min"))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None
) -> Table:
    """A plain table; columns whose name begins with `#` hold numbers and lose the sign."""
    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        number = column.startswith("#")
        drawn.add_column(column.removeprefix("#"), justify="right" if number else "left")
    for row in rows:
        drawn.add_row(*map(cell, row))
    return drawn


def cell(value: object) -> str:
    """One value for people: numbers and lists with commas, yes and no, a dash for nothing."""
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def short(number: float) -> str:
    """A number with three digits and a unit prefix: 12345 is 12.3k."""
    number = float(f"{number:.3g}")
    for size, unit in _STEPS:
        if number >= size:
            return f"{_digits(number / size)}{unit}"
    return _digits(number)


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """A time in the largest unit that fits: 90 s is 1.5 min."""
    for size, unit in _TIMES:
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{seconds:.1f} s"

# SPDX-License-Identifier: BSD-3-Clause
"""Tables and numbers as all commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True)
class Table:
    """A plain table; columns whose name begins with `#` hold numbers and lose the sign."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def __rich__(self) -> RichTable:
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in self.columns:
            number = column.startswith("#")
            drawn.add_column(column.removeprefix("#"), justify="right" if number else "left")
        for row in self.rows:
            drawn.add_row(*map(cell, row))
        return drawn


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of these rows."""
    return Table(tuple(columns), tuple(map(tuple, rows)))


def together(pages: Mapping[str, RenderableType]) -> RenderableType:
    """The pages of several nodes as one: a column more in each table, the node before each line."""
    tables: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    lines: list[RenderableType] = []
    for node, page in pages.items():
        for part in _parts(page):
            if isinstance(part, Table):
                rows = tables.setdefault(("NODE", *part.columns), [])
                rows += [(node, *row) for row in part.rows]
            elif isinstance(part, Text):
                lines += [Text(f"{node}: ").append_text(line) for line in part.split()]
    return Group(*(table(columns, rows) for columns, rows in tables.items()), *lines)


def _parts(page: RenderableType) -> Iterator[RenderableType]:
    if isinstance(page, Group):
        for part in page.renderables:
            yield from _parts(part)
    elif isinstance(page, str):
        yield Text(page)
    else:
        yield page


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

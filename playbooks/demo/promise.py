# SPDX-License-Identifier: BSD-3-Clause
"""Promises: what the demonstration says it shows, what was seen instead, and the summary."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Promise:
    """One thing that was promised."""

    name: str
    expected: str
    seen: str
    kept: bool


@dataclass
class Story:
    """The promises so far, and the screen."""

    console: Console
    promises: list[Promise] = field(default_factory=list)

    def begin(self, title: str) -> None:
        """Print the heading of a step."""
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, text: object) -> None:
        """Print a line, or anything that rich prints."""
        self.console.print(text)

    def check(self, name: str, expected: object, seen: object, kept: bool | None = None) -> None:
        """Note a promise; it is kept when what was seen is what was expected, or as `kept` says."""
        if kept is None:
            kept = seen == expected
        promise = Promise(name, str(expected), str(seen), kept)
        self.promises.append(promise)
        self.console.print(f"  {_mark(promise)} {name}: {promise.seen}", highlight=False)

    @property
    def broken(self) -> list[Promise]:
        """The promises that were not kept."""
        return [promise for promise in self.promises if not promise.kept]

    def summary(self) -> Table:
        """Return every promise with what was expected and seen."""
        table = Table("", "promise", "expected", "seen", title="What was seen")
        for promise in self.promises:
            table.add_row(_mark(promise), promise.name, promise.expected, promise.seen)
        return table


def _mark(promise: Promise) -> str:
    return "[green]yes[/green]" if promise.kept else "[red]NO [/red]"

# SPDX-License-Identifier: BSD-3-Clause
"""The figures of a run: printed as they come, and kept as build/lab-nodes/report.md."""

from __future__ import annotations

from pathlib import Path


class Report:
    """Lines of Markdown."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("# The lab in containers, as last measured\n")

    def say(self, line: str) -> None:
        """Add a line."""
        print(f"\n[lab] {line}", flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")

    def chapter(self, title: str) -> None:
        """Begin a part of the report."""
        self.say(f"\n## {title}\n")

    def row(self, *cells: object) -> None:
        """Add a row of a table."""
        self.say(f"| {' | '.join(map(str, cells))} |")

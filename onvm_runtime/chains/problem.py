# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong in a file, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: its place and a sentence that says what to do.

    `line` counts from 1.  `key` is dotted, with list places in brackets:
    `chains[0].match.port`; it is empty for the file as a whole.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"

    def to_json(self) -> dict[str, str | int]:
        """The problem as the API sends it."""
        return {"file": self.file, "line": self.line, "key": self.key, "message": self.message}


class SpecError(Exception):
    """A file was refused; `problems` holds every mistake in it, in order of lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Ends a sentence about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(names)}" if names else "there are none"

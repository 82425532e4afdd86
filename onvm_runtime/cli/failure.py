# SPDX-License-Identifier: BSD-3-Clause
"""How a command fails: exit codes, and the failures that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the shell sees; documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2  # typer's own
    UNREACHABLE = 3
    SPEC_INVALID = 4
    DIFFERENT = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class CommandError(Exception):
    """A command that could not do what was asked.

    `problems` are those of a file, as the API names them: file, line, key, message.
    `remedy` says what to do about it; it may be empty.
    """

    code = ExitCode.FAILED

    def __init__(
        self, error: str, problems: Sequence[Mapping[str, Any]] = (), remedy: str = ""
    ) -> None:
        super().__init__(error)
        self.error = error
        self.problems = problems
        self.remedy = remedy

    def lines(self) -> list[str]:
        """What a user reads."""
        found = [_problem_line(problem) for problem in self.problems]
        return [*found, f"onvm: {self.error}", *([self.remedy] if self.remedy else [])]

    def to_json(self) -> dict[str, Any]:
        """What a program reads."""
        return {
            "error": self.error,
            "problems": [dict(problem) for problem in self.problems],
            "remedy": self.remedy,
        }


class Unreachable(CommandError):
    """Nobody answers on the manager's socket."""

    code = ExitCode.UNREACHABLE


class SpecInvalid(CommandError):
    """The manager or the checker refused a chains file."""

    code = ExitCode.SPEC_INVALID


def _problem_line(problem: Mapping[str, Any]) -> str:
    place = f"{problem.get('file', '')}:{problem.get('line', 1)}"
    key = problem.get("key")
    return f"{place}: {key}: {problem['message']}" if key else f"{place}: {problem['message']}"

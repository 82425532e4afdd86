# SPDX-License-Identifier: BSD-3-Clause
"""What a check of the host found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How bad it is: a warning costs speed or a feature, a failure the whole testbed."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One sentence about the host, and how to mend what is wrong."""

    level: Level
    text: str
    remedy: str = ""


def ok(text: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, text)


def warn(text: str, remedy: str) -> Finding:
    """The testbed runs, but slower, or without a feature."""
    return Finding(Level.WARN, text, remedy)


def fail(text: str, remedy: str) -> Finding:
    """The testbed cannot run like this."""
    return Finding(Level.FAIL, text, remedy)

# SPDX-License-Identifier: BSD-3-Clause
"""Log files of the processes that the manager starts."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

TURN = 1 << 20  # bytes after which a log is turned over at the next start
TAIL = 1 << 16  # bytes that are read from a log's end, at the most


def open_log(path: Path) -> BinaryIO:
    """Opens a log for appending; one that has grown large becomes `<name>.1` first.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > TURN:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def tail(path: Path, lines: int, begin: int = 0) -> str:
    """The last lines of a log, none from before the byte `begin`; "" when there is no log."""
    try:
        with path.open("rb") as log:
            log.seek(max(begin, path.stat().st_size - TAIL))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])

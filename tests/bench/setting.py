# SPDX-License-Identifier: BSD-3-Clause
"""Where and how long to measure."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Placement:
    """CPUs of a chain: one for the I/O thread, one for each NF; `own` if no two share one."""

    io: int
    nfs: tuple[int, ...]
    own: bool


def place(cores: Sequence[int], nfs: int) -> Placement:
    """The first core receives and sends; NFs get one each, or share what is left in turn."""
    io, others = cores[0], cores[1:] or cores
    return Placement(io, tuple(others[i % len(others)] for i in range(nfs)), nfs <= len(cores) - 1)


@dataclass(frozen=True)
class Setting:
    """What every benchmark is told.

    lengths  of chains, in NFs
    repeat   samples of each figure
    seconds  length of a sample
    """

    build: Path
    cores: tuple[int, ...]
    lengths: tuple[int, ...]
    repeat: int
    seconds: float
    quick: bool

    def place(self, nfs: int) -> Placement:
        """The CPUs of a chain of so many NFs."""
        return place(self.cores, nfs)


@contextmanager
def run_directory() -> Iterator[Path]:
    """A folder for sockets and logs of one system; it goes with what is in it."""
    with tempfile.TemporaryDirectory(prefix="onvm-bench-") as path:
        yield Path(path)

# SPDX-License-Identifier: BSD-3-Clause
"""The host under examination: files below a root, programs, and nothing cached."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM_SECONDS = 10.0


@dataclass(frozen=True)
class Host:
    """A host by its files; `root` is `/` but for tests."""

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        """A file of the host by its absolute name."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """The text of a file without blanks around it; empty when it cannot be read."""
        try:
            return self.path(name).read_text(errors="replace").strip()
        except OSError:
            return ""

    def number(self, name: str, default: int) -> int:
        """The number in a file."""
        text = self.read(name)
        return int(text) if text.lstrip("-").isdigit() else default

    def find(self, pattern: str) -> list[Path]:
        """The files that a pattern matches, in order."""
        return sorted(self.root.glob(pattern.lstrip("/")))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def link(self, name: str) -> str:
        """The last part of what a symbolic link names; empty when it is none."""
        try:
            return self.path(name).readlink().name
        except OSError:
            return ""

    def cpus(self, name: str) -> set[int]:
        """The CPUs that a file lists, such as `0-3,8`."""
        return parse_cpus(self.read(name))


def parse_cpus(text: str) -> set[int]:
    """The CPUs of a list such as `0-3,8`; raises ValueError when it is none."""
    cpus: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def full_address(address: str) -> str:
    """A PCI address with its domain, as sysfs writes it."""
    return (address if address.count(":") == 2 else f"0000:{address}").lower()


def output(*command: str) -> str:
    """What a program prints; raises OSError or SubprocessError when it cannot run or fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=True
    )
    return done.stdout.strip()

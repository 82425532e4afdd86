# SPDX-License-Identifier: BSD-3-Clause
"""Programs of the build that measure a part by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bench.failure import BenchError


def program(build: Path, path: str) -> Path:
    """A built program; raises BenchError where it is not."""
    found = build / "tests/bench" / path
    if not found.exists():
        raise BenchError(f"{found} is not built: meson configure {build} -Dbench=true; ninja")
    return found


def columns(build: Path, name: str, cpu: int, *arguments: str) -> list[tuple[float, ...]]:
    """Runs native/`name` on a CPU; returns its columns of samples.

    Raises BenchError with what it printed when it fails.
    """
    command = ["taskset", "-c", str(cpu), str(program(build, f"native/{name}")), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{name} failed: {done.stderr.strip()}")
    rows = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    return list(zip(*rows, strict=True))

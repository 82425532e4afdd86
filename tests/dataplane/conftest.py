# SPDX-License-Identifier: BSD-3-Clause
"""A data plane for each test, in a directory of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.dataplane.plane import Plane


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that NFs of another user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="onvm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start_plane(tmp_path: Path) -> Iterator[Callable[..., Plane]]:
    """Starts data planes with options of the test's choice; all end with the test."""
    planes: list[Plane] = []

    def start(*options: str) -> Plane:
        run_dir = tmp_path / f"run{len(planes)}"
        run_dir.mkdir()
        planes.append(Plane(run_dir, *options))
        return planes[-1]

    yield start
    for plane in planes:
        plane.close()


@pytest.fixture
def plane(start_plane: Callable[..., Plane]) -> Plane:
    """A data plane with 4096 buffers."""
    return start_plane("--buffers", "4096")

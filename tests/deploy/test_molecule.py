# SPDX-License-Identifier: BSD-3-Clause
"""Roles on a host with systemd, by molecule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import collections, systemd_image

CONTAINER = "onvm-molecule"
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


@pytest.fixture
def molecule(checkout: Path) -> Iterator[dict[str, str]]:
    """The environment in which molecule finds its tools, its collections and its image."""
    build = checkout / "build"
    systemd_image.provide(build)
    yield environment(build)
    systemd_image.remove()


@pytest.fixture
def monitoring(checkout: Path) -> Iterator[dict[str, str]]:
    """As molecule, with an image that has Prometheus."""
    build = checkout / "build"
    systemd_image.provide(build, systemd_image.MONITORING)
    yield environment(build)
    systemd_image.remove(systemd_image.MONITORING)


def environment(build: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections.provide(build)),
    }


@pytest.fixture
def hugepages() -> Iterator[int]:
    """The machine's pool of 2 MB pages, put back whatever happens."""
    before = int(PAGES.read_text())
    yield before
    PAGES.write_text(str(before))


def run(checkout: Path, role: str, environment: dict[str, str]) -> None:
    """Run the scenario of a role."""
    command = [sys.executable, "-m", "molecule", "test"]
    try:
        subprocess.run(command, cwd=checkout / "roles" / role, env=environment, check=True)
    finally:
        # Molecule removes its container, unless it was interrupted.
        subprocess.run(["docker", "rm", "--force", CONTAINER], check=False, capture_output=True)


@pytest.mark.timeout(600)
def test_hugepages(checkout, molecule, hugepages):
    run(checkout, "hugepages", molecule)
    assert int(PAGES.read_text()) == hugepages


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nic_binding(checkout, molecule):
    run(checkout, "nic_binding", molecule)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_cpu_isolation(checkout, molecule):
    run(checkout, "cpu_isolation", molecule)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_observability(checkout, monitoring):
    run(checkout, "observability", monitoring)

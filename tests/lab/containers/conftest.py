# SPDX-License-Identifier: BSD-3-Clause
"""One lab of three containers for all tests of this folder; it takes minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.containers.lab import THROUGH, Lab
from tests.lab.containers.report import Report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are part of ./check --all."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def bare(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Nodes that nothing has been deployed to."""
    folder = checkout / "build/lab-nodes"
    folder.mkdir(parents=True, exist_ok=True)
    report = Report(folder / "report.md")
    lab = Lab(checkout, tmp_path_factory.mktemp("lab"), report)
    try:
        lab.connect()
        lab.until_booted()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="session")
def deployed(bare: Lab) -> Lab:
    """Nodes that site.yml has been run on."""
    head = (
        "playbook", "s", "s a node", "CPU s here", "CPU s of a node", "tasks", "changed",
    )  # fmt: skip
    bare.report.chapter("Playbooks on three nodes")
    bare.report.row(*head)
    bare.report.row(*("---" for _ in head))
    bare.measured("site.yml, first run", "site.yml")
    return bare


@pytest.fixture
def lab(deployed: Lab) -> Lab:
    """Deployed nodes with the chain over all three in force."""
    deployed.roll_out(THROUGH)
    deployed.until_up()
    return deployed

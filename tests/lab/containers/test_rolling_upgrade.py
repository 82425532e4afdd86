# SPDX-License-Identifier: BSD-3-Clause
"""playbooks/upgrade.yml brings another runtime to all nodes, one after the other, under traffic."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.containers.lab import THROUGH, Lab

NOT_SOURCES = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info")
MANAGER = "onvm_runtime/manager/version.py"
DATA_PLANE = "onvm_runtime/native/dataplane/main.c"
OTHER_PROGRAM = 'const char *const other_program = "of a later commit";\n'


@pytest.fixture
def newer(deployed: Lab, tmp_path: Path) -> Iterator[Path]:
    """Another checkout, from which the nodes are managed for this test."""
    checkout = deployed.controller.checkout
    copy = Path(shutil.copytree(checkout, tmp_path / "newer", ignore=NOT_SOURCES, symlinks=True))
    deployed.controller.checkout = copy
    try:
        yield copy
    finally:
        deployed.controller.checkout = checkout


def test_a_newer_manager_costs_no_packet(lab: Lab, newer: Path) -> None:
    append(newer / MANAGER, "# Of a later commit.\n")
    before = data_planes(lab)
    with lab.traffic() as flowing:
        lab.measured("upgrade.yml, another manager", "playbooks/upgrade.yml")
        lost = flowing.stop()
    lab.report.say(f"another manager on three nodes: {lost} of {flowing.sent} packets lost")
    assert data_planes(lab) == before
    assert lost == 0, lab.losses()


def test_a_newer_data_plane_replaces_one_node_after_the_other(deployed: Lab, newer: Path) -> None:
    append(newer / DATA_PLANE, OTHER_PROGRAM)
    deployed.roll_out(THROUGH, backup=True)
    deployed.until_up()
    before = data_planes(deployed)
    with deployed.traffic() as flowing:
        deployed.measured("upgrade.yml, another data plane", "playbooks/upgrade.yml")
        deployed.until_up()
        lost = flowing.stop()
        gap = flowing.gap_after(0)
    deployed.report.say(
        f"another data plane on three nodes: {lost} of {flowing.sent} packets lost,"
        f" at most {gap * 1e3:.0f} ms without one"
    )
    assert all(pid != before[name] for name, pid in data_planes(deployed).items())
    with deployed.traffic() as flowing:
        assert flowing.stop() == 0, deployed.losses()


def append(file: Path, text: str) -> None:
    """Make a source differ."""
    file.write_text(file.read_text() + text)


def data_planes(lab: Lab) -> dict[str, int]:
    """The process of every node's data plane."""
    return {
        name: int(node.get("/v1/status")["dataplane"]["pid"]) for name, node in lab.nodes.items()
    }

# SPDX-License-Identifier: BSD-3-Clause
"""Weights of processes: by cgroups of either version, or by nice levels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime.manager.cpu_shares import CpuShares, nice_level

LEVELS = [(1, 19), (10, 10), (50, 3), (100, 0), (125, -1), (200, -3), (1000, -10), (10000, -20)]


@pytest.mark.parametrize(("weight", "level"), LEVELS)
def test_nice_levels(weight: int, level: int) -> None:
    assert nice_level(weight) == level


def test_cgroup_v2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    shares = CpuShares("node", tmp_path)
    shares.set("a-1", 17, 300)
    group = tmp_path / "onvm-node-a-1"
    assert (group / "cpu.weight").read_text() == "300"
    assert (group / "cgroup.procs").read_text() == "17"
    assert shares.by("a-1") == "cgroup"


def test_cgroup_v1(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    shares = CpuShares("node", tmp_path)
    shares.set("a-1", 17, 50)
    assert (tmp_path / "cpu/onvm-node-a-1/cpu.shares").read_text() == "512"


def test_without_cgroups_it_is_a_nice_level(tmp_path: Path, process: Any) -> None:
    shares = CpuShares("node", tmp_path)
    shares.set("a-1", process.pid, 50)
    assert shares.by("a-1") == "nice"
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 3


def test_the_usual_weight_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    shares = CpuShares("node", tmp_path)
    shares.set("a-1", 17, 100)
    assert list((tmp_path / "cpu").iterdir()) == []
    assert shares.by("a-1") == ""


def test_a_process_that_ended_leaves_no_cgroup(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    shares = CpuShares("node", tmp_path)
    shares.set("a-1", 17, 50)
    for file in (tmp_path / "cpu/onvm-node-a-1").iterdir():
        file.unlink()  # the kernel's own, which are no obstacle to it
    shares.forget("a-1")
    assert list((tmp_path / "cpu").iterdir()) == []


def test_nor_does_one_that_a_manager_before_gave_its_weight(tmp_path: Path) -> None:
    left = tmp_path / "cpu/onvm-node-a-1"
    left.mkdir(parents=True)
    CpuShares("node", tmp_path).forget("a-1")
    assert not left.exists()

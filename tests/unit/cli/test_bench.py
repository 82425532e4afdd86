# SPDX-License-Identifier: BSD-3-Clause
"""`onvm bench` finds the benchmarks, or says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from onvm_runtime.cli import bench
from onvm_runtime.cli.failure import CommandError


def test_benchmarks_of_the_checkout_are_found(checkout: Path) -> None:
    assert bench.find() == checkout / "tests/bench"


def test_benchmarks_of_a_node_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests/bench").mkdir(parents=True)
    (tmp_path / "tests/bench/__main__.py").touch()
    monkeypatch.setattr(bench, "SOURCES", (tmp_path / "no checkout", tmp_path))

    assert bench.find() == tmp_path / "tests/bench"


def test_a_host_without_them_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "SOURCES", (tmp_path,))

    with pytest.raises(CommandError, match="not on this host") as refused:
        bench.find()
    assert "onvm_runtime_bench: true" in refused.value.remedy

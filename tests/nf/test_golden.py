# SPDX-License-Identifier: BSD-3-Clause
"""Every NF against its table of golden packets, nf_images/<nf>/golden.py."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onvm_runtime.nf import Module
from onvm_runtime.nf.golden import Case

IMAGES = Path(__file__).parents[2] / "nf_images"


def all_cases() -> Iterator[tuple[str, Case]]:
    for entry in sorted(IMAGES.glob("*/nf.yml")):
        for case in runpy.run_path(str(entry.with_name("golden.py")))["CASES"]:
            yield entry.parent.name, case


@pytest.mark.parametrize(
    ("nf", "case"),
    [pytest.param(nf, case, id=f"{nf}: {case.sentence}") for nf, case in all_cases()],
)
@pytest.mark.parametrize("segment", [2176, 128], ids=["one buffer", "several buffers"])
def test_golden(nf: str, case: Case, segment: int, load: Callable[[str], Module]) -> None:
    module = load(nf)
    module.segment = segment
    case.run(module)

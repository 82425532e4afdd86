# SPDX-License-Identifier: BSD-3-Clause
"""NF modules of the build that is under test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onvm_runtime.nf import Module

BUILD = Path(os.environ.get("ONVM_BUILD", Path(__file__).parents[2] / "build"))


@pytest.fixture
def load() -> Iterator[Callable[[str], Module]]:
    """Loads modules by their NF's name; all are stopped with the test."""
    modules: list[Module] = []

    def load_module(nf: str) -> Module:
        modules.append(Module(BUILD / "nf_images" / f"{nf}.so"))
        return modules[-1]

    yield load_module
    for module in modules:
        module.close()

# SPDX-License-Identifier: BSD-3-Clause
"""Virtual machines for the tests of this folder; all end with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab import image
from tests.lab.machine import Machine, Nic, QueueNic


class Lab:
    """Makes machines, and says how long things took."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.checkout, self.folder = checkout, folder
        self.stages: dict[str, float] = {}
        self.stack = ExitStack()
        self.disk = self.timed("image", lambda: image.provide(checkout))

    def timed(self, stage: str, action: Callable[[], Any]) -> Any:
        """Do something and note its seconds."""
        begin = time.monotonic()
        try:
            return action()
        finally:
            self.stages[stage] = time.monotonic() - begin
            print(f"\n[lab] {stage}: {self.stages[stage]:.0f} s", flush=True)

    def machine(self, name: str, nics: Sequence[Nic | QueueNic], **options: Any) -> Machine:
        """Switch a machine on; options: those of Machine."""
        machine = Machine(name, self.folder / name, self.disk, nics, **options)
        self.stack.callback(machine.stop)
        machine.start()
        return machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for these tests knows that they take minutes."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="module")
def lab(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Machines for one file of tests."""
    lab = Lab(checkout, tmp_path_factory.mktemp("lab"))
    with lab.stack:
        yield lab

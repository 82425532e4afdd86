# SPDX-License-Identifier: BSD-3-Clause
"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    """An interrupted run cleans up, whichever signal ends it.

    A shell starts background jobs with SIGINT ignored, and what ignores it passes that on.
    Generated examples may take their time: cores are shared.
    """
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demonstration comes last: it takes the host over and puts it back."""
    items.sort(key=lambda item: item.path.name == "test_demo.py")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent

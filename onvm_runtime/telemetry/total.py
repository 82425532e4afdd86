# SPDX-License-Identifier: BSD-3-Clause
"""What all workers of a data plane counted together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onvm_runtime._control import lib
from onvm_runtime.control import Region


class Total:
    """The sums of counters of one shape, by the same names and places as each has them."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        return _total([getattr(part, name) for part in self._parts])

    def __getitem__(self, place: int) -> Any:
        return _total([part[place] for part in self._parts])


def workers(node: Region) -> list[Any]:
    """What each worker counted, or recorded of latencies (`node`: either region of the node)."""
    count = min(node.counters.workers, lib.ONVM_MAX_WORKERS)
    return [node.counters.worker[number] for number in range(count)]


def total(node: Region) -> Total:
    """The counters of the node: every one is the sum over its workers."""
    return Total(workers(node))


def _total(parts: list[Any]) -> Any:
    return Total(parts) if parts and not isinstance(parts[0], int) else sum(parts)

# SPDX-License-Identifier: BSD-3-Clause
"""How long a machine keeps its programs waiting: what a test may add to a time it holds them to."""

from __future__ import annotations

import threading
import time
from types import TracebackType

LOOK_SECONDS = 0.001


class StallMeter:
    """A thread that wants to run every LOOK_SECONDS, and notes when it could not.

    It runs from the beginning of a `with` block to its end.
    """

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []  # from, to
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> StallMeter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ends.set()
        self._thread.join()

    def longest(self, since: float) -> float:
        """The longest time, in seconds, for which it had to wait after `since` (monotonic)."""
        return max((to - max(due, since) for due, to in self._stalls if to > since), default=0.0)

    def _watch(self) -> None:
        while not self._ends.is_set():
            due = time.monotonic() + LOOK_SECONDS
            time.sleep(LOOK_SECONDS)
            self._stalls.append((due, time.monotonic()))

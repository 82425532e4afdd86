# SPDX-License-Identifier: BSD-3-Clause
"""How long a machine keeps programs waiting: what a test may add to a time it holds them to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.005
EVERYDAY = 0.02  # seconds for which threads wait on a quiet machine, too: these do not count


class StallMeter:
    """Notes how long the threads of some processes, and one of its own, had to wait for a CPU.

    It runs from the beginning of a `with` block to its end.  Its own thread stands for what the
    kernel does not see: a virtual machine that its host lets stand still.
    """

    def __init__(self, pids: Iterable[int] = ()) -> None:
        self._pids = tuple(pids)
        self._waited: dict[Path, float] = {}  # by thread, in seconds
        self._stalls: list[tuple[float, float]] = []  # when it was over, and how long it was
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> StallMeter:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ends.set()
        self._thread.join()

    def total(self, since: float) -> float:
        """The seconds that threads waited after `since`, added up: one may wait for the next."""
        return sum(min(length, end - since) for end, length in self._stalls if end > since)

    def _watch(self) -> None:
        while not self._ends.is_set():
            due = time.monotonic() + LOOK_SECONDS
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            self._note(now, now - due)
            self._look()

    def _look(self) -> None:
        for thread, waited in _run_delays(self._pids):
            self._note(time.monotonic(), waited - self._waited.get(thread, waited))
            self._waited[thread] = waited

    def _note(self, end: float, length: float) -> None:
        if length > EVERYDAY:
            self._stalls.append((end, length))


def _run_delays(pids: Iterable[int]) -> Iterator[tuple[Path, float]]:
    """How long each thread has waited for a CPU since it began (proc(5), schedstat)."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):  # it has ended
                yield thread, int((thread / "schedstat").read_text().split()[1]) / 1e9

# SPDX-License-Identifier: BSD-3-Clause
"""Asking many managers at once, none of which can delay the others."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.failure import CommandError, Unreachable

Ask = Callable[[Manager], Any]

# What a node that is slow itself may take to say so, after the time limit of its steps.
GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """What nodes answered, and why others did not, both in the order of the inventory."""

    answers: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, CommandError] = field(default_factory=dict)


def ask_all(managers: Mapping[str, Manager], ask: Ask, seconds: float) -> Outcome:
    """Calls `ask` for every manager at once; who is not back after `seconds` has failed."""
    results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    for name, manager in managers.items():
        # Daemons: one that hangs shall not keep the program from ending.
        threading.Thread(target=_ask, args=(name, manager, ask, results), daemon=True).start()
    found = dict(_collect(results, len(managers), time.monotonic() + seconds + GRACE_SECONDS))
    late = Unreachable(f"did not answer within {seconds:g} s")
    outcome = Outcome()
    for name in managers:
        result = found.get(name, late)
        if isinstance(result, CommandError):
            outcome.failed[name] = result
        else:
            outcome.answers[name] = result
    return outcome


def _ask(name: str, manager: Manager, ask: Ask, results: queue.SimpleQueue[Any]) -> None:
    try:
        results.put((name, ask(manager)))
    except CommandError as failure:
        results.put((name, failure))
    except Exception as error:  # a defect that one node shows must not hide the others
        results.put((name, CommandError(f"its answer cannot be used: {error!r}")))


def _collect(
    results: queue.SimpleQueue[tuple[str, Any]], count: int, deadline: float
) -> Iterator[tuple[str, Any]]:
    with contextlib.suppress(queue.Empty):
        for _ in range(count):
            yield results.get(timeout=max(0.0, deadline - time.monotonic()))

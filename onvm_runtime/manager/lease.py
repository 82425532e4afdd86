# SPDX-License-Identifier: BSD-3-Clause
"""The lease on a node's chains: one rollout over several nodes at a time.

Whoever changes a lab takes it on every node before it changes the first, and gives it
back at the end.  It ends by itself, should that one be gone; but not during a change, and after
one it lasts its full time again.  So it may be short.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from onvm_runtime.manager.failure import Conflict, NoSpace
from onvm_runtime.manager.state import write_atomically


@dataclass(frozen=True)
class Held:
    """Who holds the lease, until when (seconds since the epoch), and for how long at a time."""

    holder: str
    until: float
    seconds: float


class Lease:
    """The lease, kept in a file so that a restarted manager honours it."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = directory / "lease.json"
        self._clock = clock
        self._changing: str | None = None

    def held(self) -> Held | None:
        """Who holds it now.  A file that cannot be read is no lease."""
        try:
            held = Held(**json.loads(self._path.read_text(encoding="utf-8")))
            lasts = self._clock() < held.until or self._changing == held.holder
            return held if lasts else None
        except (OSError, ValueError, TypeError):
            return None

    def take(self, holder: str, seconds: float) -> Held:
        """Takes it or renews it; raises Conflict while another one has it, and NoSpace."""
        self.allow(holder)
        held = Held(holder, self._clock() + seconds, seconds)
        try:
            write_atomically(self._path, json.dumps(asdict(held)))
        except OSError as error:
            raise NoSpace(f"cannot keep the lease in {self._path}: {error.strerror}") from error
        return held

    def release(self, holder: str) -> None:
        """Gives it back; that of another one stays."""
        held = self.held()
        if held is not None and held.holder == holder:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def used(self, holder: str | None) -> Iterator[None]:
        """A change by a holder, or by somebody while there is none.

        Raises Conflict while somebody else holds it, and what the change raises.
        """
        self.allow(holder)
        before, self._changing = self._changing, holder
        try:
            yield
        finally:
            held = self.held()
            self._changing = before
            if held is not None and held.holder == holder:
                with suppress(NoSpace):  # then it ends when it would have
                    self.take(holder, held.seconds)

    def allow(self, holder: str | None) -> None:
        """Raises Conflict while somebody else holds it."""
        held = self.held()
        if held is not None and held.holder != holder:
            left = max(0.0, held.until - self._clock())
            raise Conflict(
                f"the chains of this node are being changed by {held.holder}: wait until that is "
                f"done, or for {left:.0f} s should it be gone"
            )

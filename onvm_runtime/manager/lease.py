# SPDX-License-Identifier: BSD-3-Clause
"""The lease on a node's chains: one rollout over several nodes at a time.

Whoever changes a lab takes it on every node before it changes the first, and gives it
back at the end.  It ends by itself, should that one be gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from onvm_runtime.manager.failure import Conflict, NoSpace
from onvm_runtime.manager.state import write_atomically


@dataclass(frozen=True)
class Held:
    """Who holds the lease, and until when (seconds since the epoch)."""

    holder: str
    until: float


class Lease:
    """The lease, kept in a file so that a restarted manager honours it."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = directory / "lease.json"
        self._clock = clock

    def held(self) -> Held | None:
        """Who holds it now.  A file that cannot be read is no lease."""
        try:
            held = Held(**json.loads(self._path.read_text(encoding="utf-8")))
            return held if self._clock() < held.until else None
        except (OSError, ValueError, TypeError):
            return None

    def take(self, holder: str, seconds: float) -> Held:
        """Takes it or renews it; raises Conflict while another one has it, and NoSpace."""
        self.allow(holder)
        held = Held(holder, self._clock() + seconds)
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

    def allow(self, holder: str | None) -> None:
        """Raises Conflict while somebody else holds it."""
        held = self.held()
        if held is not None and held.holder != holder:
            left = held.until - self._clock()
            raise Conflict(
                f"the chains of this node are being changed by {held.holder}: wait until that is "
                f"done, or for {left:.0f} s should it be gone"
            )

# SPDX-License-Identifier: BSD-3-Clause
"""One manager a node."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from onvm_runtime.manager.failure import Conflict


class Lock:
    """Held from the moment it is made; the kernel frees it however the process ends."""

    def __init__(self, path: Path) -> None:
        """Takes the lock; raises Conflict when another manager has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise Conflict(
                f"another manager (process {owner}) runs this node, by {path}: stop it first"
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

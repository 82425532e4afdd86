# SPDX-License-Identifier: BSD-3-Clause
"""How long to wait before something that died is started again."""

from __future__ import annotations

FIRST = 0.5  # seconds before the second restart; the first comes at once
LIMIT = 30.0
STEADY = 60.0  # seconds of life after which a death is taken for the first one


class Backoff:
    """No wait, then FIRST, then twice as much each time, up to LIMIT seconds."""

    def __init__(self) -> None:
        self._deaths = 0

    def after(self, lived: float) -> float:
        """Seconds to wait after a life of `lived` seconds."""
        self._deaths = 0 if lived >= STEADY else self._deaths
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        return min(FIRST * 2.0 ** min(self._deaths - 2, 16), LIMIT)

    def forget(self) -> None:
        """Takes the next death for the first one."""
        self._deaths = 0

# SPDX-License-Identifier: BSD-3-Clause
"""How many packets are sampled for latency: as node.yml says, until somebody says otherwise."""

from __future__ import annotations

import logging

from onvm_runtime.control import Control, DataplaneError

log = logging.getLogger(__name__)


class Sampling:
    """The wish, and why it is not fulfilled.

    every    one packet of so many; 0: none
    refusal  the data plane's sentence, where it will not
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.refusal: str | None = None

    async def restore(self, control: Control) -> None:
        """Tells a data plane that is new, or new to us."""
        try:
            await self._tell(control, self.every)
        except DataplaneError as error:
            if control.closed:
                raise
            log.warning("%s", error)

    async def change(self, control: Control, every: int) -> None:
        """Changes the wish until the manager ends; raises DataplaneError, and keeps the old one."""
        await self._tell(control, every)
        self.every = every

    async def _tell(self, control: Control, every: int) -> None:
        self.refusal = None
        try:
            await control.request("latency.sample", every=every)
        except DataplaneError as error:
            self.refusal = str(error)
            raise

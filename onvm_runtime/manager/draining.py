# SPDX-License-Identifier: BSD-3-Clause
"""Instances that are to go lose their flows first.

They get no new flows (rollout.py); here is watched how many they still have, and they
are ended when none is left or their time is up.  What drains, and until when, is part
of the desired state, so a manager that comes back goes on with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager.failure import ManagerError
from onvm_runtime.manager.rollout import Rollouts

LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


class Draining:
    """Watches the instances that drain.  flows: how many each still has, when known."""

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        self.flows: dict[str, int] = {}

    async def run(self, connected: Callable[[], Control | None]) -> None:
        """Looks after them until cancelled."""
        while True:
            control = connected()
            if control:
                await self._look(control)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, control: Control) -> None:
        draining = dict(self._rollouts.desired.draining)
        self.flows = {name: left for name, left in self.flows.items() if name in draining}
        try:
            for name, until in draining.items():
                await self._attend(control, name, until)
        except (DataplaneError, ManagerError) as error:
            log.info("draining is looked at again: %s", error)

    async def _attend(self, control: Control, name: str, until: float) -> None:
        left = (await control.request("nf.flows", name=name))["flows"]
        self.flows[name] = left
        if left == 0 or time.time() >= until:
            log.info("NF %s has drained: %d flows left, they move", name, left)
            await self._rollouts.end_drained(control, name)

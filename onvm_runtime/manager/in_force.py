# SPDX-License-Identifier: BSD-3-Clause
"""The chains that the data plane has: those in force, and those that still drain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from onvm_runtime.chains import Plan, PlannedRule
from onvm_runtime.control import Control


class InForce:
    """What was sent, and what of it is not possible now.

    draining  ids of chains that are gone from the plan, with packets on their way
    paths     services of every chain in force or draining, by id
    withheld  chains that wait for a port
    """

    def __init__(self) -> None:
        self.draining: set[int] = set()
        self.paths: dict[int, tuple[str, ...]] = {}
        self.withheld: list[str] = []
        self._ids: set[int] = set()
        self._changed = asyncio.Event()

    def learn(self, chains: list[dict[str, Any]]) -> None:
        """Takes over the chains of a data plane that is new to us, from its status."""
        self._ids = {chain["id"] for chain in chains if not chain["draining"]}
        self.draining = {chain["id"] for chain in chains if chain["draining"]}
        self._changed.set()

    async def send(self, control: Control, plan: Plan, ports: Collection[str]) -> None:
        """Puts a plan into force, but for chains that need other ports than `ports`.

        Raises DataplaneError; what was in force is so still.
        """
        part, withheld = deployable(plan, ports)
        ids = {chain.id for chain in part.chains}
        # Before the request: a chain may have drained before its answer is read.
        gone = self._ids - ids
        self.draining |= gone
        try:
            await control.request("plan", **part.request())
        except BaseException:
            self.draining -= gone
            raise
        self._ids, self.withheld = ids, withheld
        self.draining -= ids
        self.paths = {n: path for n, path in self.paths.items() if n in self.draining}
        self.paths.update({chain.id: chain.path for chain in part.chains})

    def drained(self, chain: int) -> None:
        """The last packet of a chain has left."""
        self.draining.discard(chain)
        self._changed.set()

    async def drain(self, seconds: float) -> bool:
        """Waits until nothing drains; whether that came within `seconds`."""
        try:
            await asyncio.wait_for(self._until_drained(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    async def _until_drained(self) -> None:
        while self.draining:
            self._changed.clear()
            await self._changed.wait()


def deployable(plan: Plan, ports: Collection[str]) -> tuple[Plan, list[str]]:
    """The plan without what needs a port that is not open, and the chains left out.

    A chain is left out in both directions, so that its ids keep one meaning.
    """
    withheld = {chain.name for chain in plan.chains if chain.egress not in ports}
    chains = tuple(chain for chain in plan.chains if chain.name not in withheld)
    ids = {chain.id for chain in chains}
    part = replace(
        plan,
        chains=chains,
        rules=tuple(rule for rule in plan.rules if rule.chain in ids and _fits(rule, ports)),
        default_chain=plan.default_chain if plan.default_chain in ids else None,
    )
    return part, sorted(withheld)


def _fits(rule: PlannedRule, ports: Collection[str]) -> bool:
    return rule.match.get("port") is None or rule.match["port"] in ports

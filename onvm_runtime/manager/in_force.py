# SPDX-License-Identifier: BSD-3-Clause
"""The chains that the data plane has: those in force, and those that still drain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from onvm_runtime.chains import Egress, Plan, PlannedRule, PlannedSpread
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
    links = tuple(link for link in plan.links if link.port in ports)
    ways = {*ports, *(link.name for link in links)}
    withheld = {chain.name for chain in plan.chains if _way(chain.egress) not in ways}
    chains = tuple(chain for chain in plan.chains if chain.name not in withheld)
    spreads = tuple(_reduced(plan.spreads, {chain.id for chain in chains}))
    ids = {chain.id for chain in chains} | {spread.id for spread in spreads}
    part = replace(
        plan,
        chains=chains,
        rules=tuple(rule for rule in plan.rules if rule.chain in ids and _fits(rule, ports)),
        default_chain=plan.default_chain if plan.default_chain in ids else None,
        links=links,
        spreads=spreads,
        arrivals=tuple(one for one in plan.arrivals if one.chain in ids and one.link in ways),
    )
    return part, sorted(withheld)


def _way(egress: Egress) -> str:
    return egress if isinstance(egress, str) else egress.link


def _reduced(spreads: Iterable[PlannedSpread], ids: Collection[int]) -> Iterator[PlannedSpread]:
    """The spreads over what is left of their lanes."""
    for spread in spreads:
        lanes = tuple(lane for lane in spread.lanes if lane in ids)
        backup = tuple(lane for lane in spread.backup if lane in ids)
        if lanes or backup:
            yield replace(spread, lanes=lanes, backup=backup)


def _fits(rule: PlannedRule, ports: Collection[str]) -> bool:
    return rule.match.get("port") is None or rule.match["port"] in ports

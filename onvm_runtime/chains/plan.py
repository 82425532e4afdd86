# SPDX-License-Identifier: BSD-3-Clause
"""A plan: chains and rules with ids, as the data plane takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime.chains.spec import Egress, Exit, Json, LinkEnd


@dataclass(frozen=True)
class PlannedChain:
    """One direction of a chain under its id.

    Its way back is a chain under the id `reverse`, or whichever has the name `returns`.
    """

    id: int
    name: str
    path: tuple[str, ...]
    egress: Egress
    reverse: int | None = None
    returns: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The chain as a plan request names it."""
        chain: dict[str, Json] = {"id": self.id, "name": self.name, "path": list(self.path)}
        if isinstance(self.egress, Exit):
            chain["exit"] = self.egress.to_json()
        else:
            chain["egress"] = self.egress
        if self.returns is not None:
            chain["returns"] = self.returns
        return chain if self.reverse is None else {**chain, "reverse": self.reverse}


@dataclass(frozen=True)
class PlannedSpread:
    """Flows that are spread over lanes, and over `backup` while no lane is up; all by id."""

    id: int
    name: str
    lanes: tuple[int, ...]
    backup: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The spread as a plan request names it."""
        return {
            "id": self.id,
            "name": self.name,
            "lanes": list(self.lanes),
            "backup": list(self.backup),
        }


@dataclass(frozen=True)
class PlannedArrival:
    """What comes by a link under a path id and index takes the chain with id `chain`."""

    link: str
    path_id: int
    index: int | None
    chain: int

    def to_json(self) -> dict[str, Json]:
        """The arrival as a plan request names it."""
        arrival: dict[str, Json] = {
            "link": self.link,
            "path_id": self.path_id,
            "chain": self.chain,
        }
        return arrival if self.index is None else {**arrival, "index": self.index}


@dataclass(frozen=True)
class PlannedRule:
    """Packets that fit `match`, in the words of control.h, take the chain with id `chain`."""

    chain: int
    priority: int
    match: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        """The rule as a plan request names it."""
        return {"chain": self.chain, "priority": self.priority, **self.match}


@dataclass(frozen=True)
class Plan:
    """Everything that the control channel's `plan` operation replaces at once.

    `last_id` was given out last; the search for the next one starts behind it.
    """

    chains: tuple[PlannedChain, ...] = ()
    rules: tuple[PlannedRule, ...] = ()
    default_chain: int | None = None
    last_id: int = 0
    links: tuple[LinkEnd, ...] = ()
    spreads: tuple[PlannedSpread, ...] = ()
    arrivals: tuple[PlannedArrival, ...] = ()

    def request(self) -> dict[str, Json]:
        """The keys of a `plan` request (native/protocol/control.h)."""
        request: dict[str, Json] = {
            "chains": [chain.to_json() for chain in self.chains],
            "rules": [rule.to_json() for rule in self.rules],
        }
        between_nodes: dict[str, list[Json]] = {
            "links": [{"name": link.name, **link.to_json()} for link in self.links],
            "spreads": [spread.to_json() for spread in self.spreads],
            "arrivals": [arrival.to_json() for arrival in self.arrivals],
        }
        request |= {key: items for key, items in between_nodes.items() if items}
        if self.default_chain is not None:
            request["default_chain"] = self.default_chain
        return request

    def to_json(self) -> dict[str, Json]:
        """The plan for keeping; `from_json` brings it back."""
        return {**self.request(), "last_id": self.last_id}

    @classmethod
    def from_json(cls, value: Any) -> Plan:
        """Reads what `to_json` wrote; raises ValueError when it is something else."""
        try:
            plan = cls(
                chains=tuple(_chain(**chain) for chain in value["chains"]),
                rules=tuple(_rule(**rule) for rule in value["rules"]),
                default_chain=value.get("default_chain"),
                last_id=int(value["last_id"]),
                links=tuple(LinkEnd(**link) for link in value.get("links", ())),
                spreads=tuple(_spread(**spread) for spread in value.get("spreads", ())),
                arrivals=tuple(_arrival(**arrival) for arrival in value.get("arrivals", ())),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a plan that was kept: {error!r}") from error
        ids = {chain.id for chain in plan.chains}
        if any(chain.reverse not in {None, *ids} for chain in plan.chains):
            raise ValueError("not a plan that was kept: a chain's way back is missing")
        return plan


def _chain(
    id: int,
    name: str,
    path: list[str],
    egress: str = "",
    exit: dict[str, Any] | None = None,
    reverse: int | None = None,
    returns: str | None = None,
) -> PlannedChain:
    return PlannedChain(id, name, tuple(path), Exit(**exit) if exit else egress, reverse, returns)


def _spread(id: int, name: str, lanes: list[int], backup: list[int]) -> PlannedSpread:
    return PlannedSpread(id, name, tuple(lanes), tuple(backup))


def _arrival(link: str, path_id: int, chain: int, index: int | None = None) -> PlannedArrival:
    return PlannedArrival(link, path_id, index, chain)


def _rule(chain: int, priority: int, **match: Json) -> PlannedRule:
    return PlannedRule(chain, priority, match)

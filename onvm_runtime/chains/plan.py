# SPDX-License-Identifier: BSD-3-Clause
"""A plan: chains and rules with ids, as the data plane takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime.chains.spec import Json


@dataclass(frozen=True)
class PlannedChain:
    """One direction of a chain under its id; `reverse` is the id of its way back."""

    id: int
    name: str
    path: tuple[str, ...]
    egress: str
    reverse: int | None = None

    def to_json(self) -> dict[str, Json]:
        """The chain as a plan request names it."""
        chain: dict[str, Json] = {
            "id": self.id,
            "name": self.name,
            "path": list(self.path),
            "egress": self.egress,
        }
        return chain if self.reverse is None else {**chain, "reverse": self.reverse}


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

    def request(self) -> dict[str, Json]:
        """The keys of a `plan` request (native/protocol/control.h)."""
        request: dict[str, Json] = {
            "chains": [chain.to_json() for chain in self.chains],
            "rules": [rule.to_json() for rule in self.rules],
        }
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
    egress: str,
    reverse: int | None = None,
) -> PlannedChain:
    return PlannedChain(id, name, tuple(path), egress, reverse)


def _rule(chain: int, priority: int, **match: Json) -> PlannedRule:
    return PlannedRule(chain, priority, match)

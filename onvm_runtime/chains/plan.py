# SPDX-License-Identifier: BSD-3-Clause
"""A plan: chains and rules with numbers, as the data plane takes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from onvm_runtime.chains.spec import Json, LabSpec, Match


@dataclass(frozen=True)
class PlannedChain:
    """One direction of a chain under its id; `reverse` is the id of its way back."""

    id: int
    name: str
    path: tuple[str, ...]
    egress: str
    reverse: int | None = None


@dataclass(frozen=True)
class PlannedRule:
    """Packets that fit `match` take the chain with id `chain`."""

    chain: int
    priority: int
    match: Match


@dataclass(frozen=True)
class Plan:
    """Everything that the control channel's `plan` operation replaces at once."""

    chains: tuple[PlannedChain, ...] = ()
    rules: tuple[PlannedRule, ...] = ()
    default_chain: int | None = None
    last_id: int = 0  # given out last; the search for the next one starts behind it

    def request(self) -> dict[str, Json]:
        """The request of the control channel (native/protocol/control.h), without `op`."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Json]:
        """The plan for keeping; `from_json` brings it back."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, value: dict[str, Json]) -> Plan:
        """Reads what `to_json` wrote; raises ValueError when it is something else."""
        raise NotImplementedError


def compile_plan(spec: LabSpec, previous: Plan | None, draining: Collection[int] = ()) -> Plan:
    """Numbers the chains of a valid spec.

    A chain that `previous` has unchanged keeps its id; every other one gets an
    id that neither `previous` nor `draining` uses.
    """
    raise NotImplementedError

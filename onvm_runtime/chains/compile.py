# SPDX-License-Identifier: BSD-3-Clause
"""From a valid spec to a plan.

A chain keeps its ids for as long as the data plane would treat its packets the
same: name, path, egress and way back.  Otherwise it gets fresh ones, so that
packets on their way finish on what they began with.  Ids go round: one that was
given up is taken again only after all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from onvm_runtime.chains import limits, matching
from onvm_runtime.chains.plan import Plan, PlannedChain, PlannedRule
from onvm_runtime.chains.spec import Chain, Json, LabSpec, Match, Network, PortRange

_WORDS = {
    "port": "port",
    "vlan": "vlan",
    "ethertype": "ethertype",
    "source_mac": "src_mac",
    "destination_mac": "dst_mac",
    "source": "src",
    "destination": "dst",
    "protocol": "protocol",
    "source_ports": "src_ports",
    "destination_ports": "dst_ports",
}


@dataclass(frozen=True)
class _Identity:
    """What must not change under one id; `back` is the egress of the way back."""

    name: str
    path: tuple[str, ...]
    egress: str
    back: str | None


@dataclass(frozen=True)
class _Numbered:
    """A chain and its ids; `back` is None where nothing comes back."""

    chain: Chain
    id: int
    back: int | None


class OutOfIds(Exception):
    """Every chain id is in use or drains; ids come free when drained chains are gone."""


def compile_plan(spec: LabSpec, previous: Plan | None, draining: Collection[int] = ()) -> Plan:
    """Gives every direction of every chain an id, and every match its rules.

    `previous` is the plan in force, `draining` are ids whose packets may still be
    on their way; fresh ids are of neither.  Raises OutOfIds when none is left.
    """
    ids = _Ids(previous or Plan(), draining)
    numbered = [ids.number(chain) for chain in spec.chains]
    return Plan(
        chains=tuple(planned for one in numbered for planned in _directions(one)),
        rules=_rules(numbered),
        default_chain=next((one.id for one in numbered if one.chain.name == spec.default), None),
        last_id=ids.last,
    )


class _Ids:
    """Ids that a previous plan gave, and fresh ones."""

    def __init__(self, previous: Plan, draining: Collection[int]) -> None:
        self.last = previous.last_id
        self._known = _known(previous)
        self._taken = {chain.id for chain in previous.chains}.union(draining)

    def number(self, chain: Chain) -> _Numbered:
        back = _back_port(chain)
        known = self._known.get(_Identity(chain.name, chain.path, chain.egress, back))
        if known:
            return _Numbered(chain, *known)
        return _Numbered(chain, self._fresh(), None if back is None else self._fresh())

    def _fresh(self) -> int:
        for step in limits.CHAIN_IDS:
            number = (self.last + step - 1) % len(limits.CHAIN_IDS) + 1
            if number not in self._taken:
                self._taken.add(number)
                self.last = number
                return number
        raise OutOfIds(
            f"all {len(limits.CHAIN_IDS)} chain ids are in use or drain: "
            "wait until chains that were changed or removed have drained"
        )


def _known(plan: Plan) -> dict[_Identity, tuple[int, int | None]]:
    by_id = {chain.id: chain for chain in plan.chains}
    ways_back = {chain.reverse for chain in plan.chains}
    return {
        _Identity(
            chain.name,
            chain.path,
            chain.egress,
            None if chain.reverse is None else by_id[chain.reverse].egress,
        ): (chain.id, chain.reverse)
        for chain in plan.chains
        if chain.id not in ways_back
    }


def _back_port(chain: Chain) -> str | None:
    """The port by which return traffic leaves: that of the matches, of which a rule makes sure."""
    return chain.match[0].port if chain.bidirectional else None


def _directions(one: _Numbered) -> Iterator[PlannedChain]:
    chain, back = one.chain, _back_port(one.chain)
    yield PlannedChain(one.id, chain.name, chain.path, chain.egress, one.back)
    if one.back is not None and back is not None:
        yield PlannedChain(one.back, chain.name, chain.path[::-1], back)


def _rules(numbered: list[_Numbered]) -> tuple[PlannedRule, ...]:
    """The matches as written, then those of return traffic that no flow entry knows.

    At equal priority the data plane takes the first rule that fits: what is written
    goes before ways back, and those go by name, so that the order of chains in the
    file has no meaning.
    """
    rules: dict[tuple[int, Match], int] = {}
    for one in numbered:
        for match in one.chain.match:
            rules[one.chain.priority, matching.resolve(match)] = one.id
    for one in sorted(numbered, key=lambda one: one.chain.name):
        if one.back is not None:
            for match in one.chain.match:
                back = matching.reverse(matching.resolve(match), one.chain.egress)
                rules.setdefault((one.chain.priority, back), one.back)
    return tuple(
        PlannedRule(chain, priority, _in_words(match)) for (priority, match), chain in rules.items()
    )


def _in_words(match: Match) -> dict[str, Json]:
    return {
        word: _value(getattr(match, name))
        for name, word in _WORDS.items()
        if getattr(match, name) is not None
    }


def _value(value: str | int | Network | PortRange) -> Json:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (str, int)) else str(value)

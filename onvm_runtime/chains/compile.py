# SPDX-License-Identifier: BSD-3-Clause
"""From a valid spec to a plan.

A chain keeps its ids for as long as the data plane would treat its packets the
same: name, path, egress and way back.  Otherwise it gets fresh ones, so that
packets on their way finish on what they began with.  Ids go round: one that was
given up is taken again only after all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onvm_runtime.chains import limits, matching
from onvm_runtime.chains.plan import (
    Plan,
    PlannedArrival,
    PlannedChain,
    PlannedRule,
    PlannedSpread,
)
from onvm_runtime.chains.spec import Chain, Egress, Json, LabSpec, Match, Network, PortRange

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
    """What must not change under one id.

    `back` is that of the way back which `bidirectional` makes, `returns` the name of one
    that is written out: the chain of that name may change without this one.
    """

    name: str
    path: tuple[str, ...]
    egress: Egress
    back: _Identity | None = None
    returns: str | None = None


@dataclass(frozen=True)
class _SpreadIdentity:
    """Likewise of a chain that spreads its flows."""

    name: str
    lanes: tuple[int, ...]
    backup: tuple[int, ...]


@dataclass(frozen=True)
class _Direction:
    """A version of a chain in one direction, and the matches that lead packets into it.

    While it is closed they do not.
    """

    identity: _Identity
    match: tuple[Match, ...]
    priority: int = 0
    way_back: bool = False
    closed: bool = False


class OutOfIds(Exception):
    """Every chain id is in use or drains; ids come free when drained chains are gone."""


def compile_plan(spec: LabSpec, previous: Plan | None, draining: Collection[int] = ()) -> Plan:
    """Gives every direction of every chain an id, and every match its rules.

    `previous` is the plan in force, `draining` are ids whose packets may still be
    on their way; fresh ids are of neither.  Raises OutOfIds when none is left.
    """
    ids = _Ids(previous or Plan(), draining)
    directions = [one for chain in spec.chains for one in _directions(chain)]
    planned = [_planned(ids, one.identity) for one in directions]
    chains = tuple(dict.fromkeys(planned))  # versions may differ in their matches only
    numbers = {chain.name: chain.id for chain in reversed(chains)}
    spreads = tuple(_spread(ids, chain, numbers) for chain in spec.chains if chain.lanes)
    numbers |= {spread.name: spread.id for spread in spreads}
    led = [
        (direction, chain.id)
        for direction, chain in zip(directions, planned, strict=True)
        if not direction.closed
    ]
    led += [(_entry(spec, spread.name), spread.id) for spread in spreads]
    return Plan(
        chains=chains,
        rules=_rules(led),
        default_chain=None if spec.default is None else numbers[spec.default],
        last_id=ids.last,
        links=tuple(spec.links.values()),
        spreads=spreads,
        arrivals=tuple(_arrivals(led)),
    )


@dataclass(frozen=True)
class Entrance:
    """A version of a chain in one direction, as the plan numbers it.

    match   what it takes: packets like these come by it.  Of a lane, that of what spreads over it
    linked  whether packets come from another node with their ids, so that probes do as well
    """

    id: int
    name: str
    path: tuple[str, ...]
    egress: Egress
    returns: str | None
    match: tuple[Match, ...]
    linked: bool


def entrances(spec: LabSpec, plan: Plan) -> list[Entrance]:
    """All ways into chains.  `plan` is that of the spec; what it does not have is left out."""
    ids = _known(plan)
    return [
        _entrance(spec, ids[one.identity], one)
        for chain in spec.chains
        for one in _directions(chain)
        if one.identity in ids
    ]


def _entrance(spec: LabSpec, number: int, one: _Direction) -> Entrance:
    identity = one.identity
    match = one.match or _of_spread(spec, identity.name)
    links = [spec.links[way.link] for way in match if way.link is not None]
    return Entrance(
        number,
        identity.name,
        identity.path,
        identity.egress,
        identity.returns,
        match,
        linked=any(link.encapsulation != "vlan" for link in links),
    )


def _of_spread(spec: LabSpec, lane: str) -> tuple[Match, ...]:
    return next((chain.match for chain in spec.chains if lane in chain.lanes), ())


class _Ids:
    """Ids that a previous plan gave, and fresh ones."""

    def __init__(self, previous: Plan, draining: Collection[int]) -> None:
        self.last = previous.last_id
        self._known = _known(previous)
        self._taken = {*self._known.values(), *draining}

    def of(self, identity: _Identity | _SpreadIdentity) -> int:
        """The id of a chain or spread: the one that it has, else a fresh one."""
        if identity not in self._known:
            self._known[identity] = self._fresh()
        return self._known[identity]

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


def _known(plan: Plan) -> dict[_Identity | _SpreadIdentity, int]:
    by_id = {chain.id: chain for chain in plan.chains}

    def identity(chain: PlannedChain) -> _Identity:
        back = None if chain.reverse is None else identity(by_id[chain.reverse])
        return _Identity(chain.name, chain.path, chain.egress, back, chain.returns)

    known: dict[_Identity | _SpreadIdentity, int] = {
        identity(chain): chain.id for chain in plan.chains
    }
    for spread in plan.spreads:
        known[_SpreadIdentity(spread.name, spread.lanes, spread.backup)] = spread.id
    return known


def _directions(chain: Chain) -> Iterator[_Direction]:
    """Forth, other versions of it, and back where that is not written as a chain of its own."""
    back = None if chain.lanes else _back(chain)
    if not chain.lanes:
        forth = _Identity(chain.name, chain.path, chain.egress, back, chain.returns)
        yield _Direction(forth, chain.match, chain.priority, chain.way_back, chain.closed)
    for version in chain.also:
        other = _Identity(chain.name, version.path, version.egress, returns=version.returns)
        yield _Direction(other, version.match, closed=version.closed)
    if back is not None:
        yield _Direction(back, _turned(chain), chain.priority, way_back=True, closed=chain.closed)


def _entry(spec: LabSpec, name: str) -> _Direction:
    """What leads packets to a chain that spreads them."""
    chain = next(chain for chain in spec.chains if chain.name == name)
    return _Direction(_Identity(name, (), ""), chain.match, chain.priority, chain.way_back)


def _back(chain: Chain) -> _Identity | None:
    """The way back; it leaves by the port of the matches, and a rule makes sure that it is one."""
    port = chain.match[0].port if chain.bidirectional else None
    return None if port is None else _Identity(chain.name, chain.path[::-1], port)


def _planned(ids: _Ids, identity: _Identity) -> PlannedChain:
    number = ids.of(identity)
    back = None if identity.back is None else ids.of(identity.back)
    return PlannedChain(
        number, identity.name, identity.path, identity.egress, back, identity.returns
    )


def _spread(ids: _Ids, chain: Chain, numbers: Mapping[str, int]) -> PlannedSpread:
    lanes = tuple(numbers[name] for name in chain.lanes)
    backup = tuple(numbers[name] for name in chain.backup)
    number = ids.of(_SpreadIdentity(chain.name, lanes, backup))
    return PlannedSpread(number, chain.name, lanes, backup)


def _turned(chain: Chain) -> tuple[Match, ...]:
    assert isinstance(chain.egress, str), "only a chain between two ports is made bidirectional"
    return tuple(matching.reverse(matching.resolve(one), chain.egress) for one in chain.match)


Led = Sequence[tuple[_Direction, int]]


def _arrivals(led: Led) -> Iterator[PlannedArrival]:
    for direction, number in led:
        for match in direction.match:
            if match.link is not None and match.path_id is not None:
                yield PlannedArrival(match.link, match.path_id, match.index, number)


def _rules(led: Led) -> tuple[PlannedRule, ...]:
    """The matches as written, then those of return traffic that no flow entry knows.

    At equal priority the data plane takes the first rule that fits: what is written
    goes before ways back, and those go by name, so that the order of chains in the
    file has no meaning.
    """
    rules: dict[tuple[int, Match], int] = {}
    for one, number in sorted(led, key=lambda pair: _order(pair[0])):
        for match in one.match:
            if match.link is None:
                rules.setdefault((one.priority, matching.resolve(match)), number)
    return tuple(
        PlannedRule(chain, priority, _in_words(match)) for (priority, match), chain in rules.items()
    )


def _order(one: _Direction) -> tuple[bool, str]:
    return one.way_back, one.identity.name if one.way_back else ""


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

# SPDX-License-Identifier: BSD-3-Clause
"""Lanes: one way of a chain through the nodes.

Where a service runs on several nodes its chain has several lanes, among which
flows are spread.  Lane j passes hop i on the node j modulo the number of that hop's
nodes, so services with the same nodes stay together, and every node of a hop is in
equally many lanes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import lcm

from onvm_runtime.lab.routing import Routing
from onvm_runtime.lab.spec import Endpoint, Lab, LabChain

FIRST_INDEX = 255  # RFC 8300, section 2.3: the service index at the start of a path


@dataclass(frozen=True)
class Visit:
    """A node that a lane passes, and what happens there.

    `arrives` is the link by which packets come, None at the ingress; `index` the
    service index that they come with; `leaves` the link by which they go on, None
    at the egress.
    """

    node: str
    services: tuple[str, ...]
    arrives: str | None
    index: int
    leaves: str | None

    @property
    def next_index(self) -> int:
        """The service index that packets leave with: each service takes one off."""
        return self.index - len(self.services)


@dataclass(frozen=True)
class Lane:
    """One direction of a lane.  `path_id` names it in the whole lab (24 bits, RFC 8300)."""

    name: str  # of both directions
    ingress: Endpoint
    egress: Endpoint
    visits: tuple[Visit, ...]
    path_id: int


def count(chain: LabChain) -> int:
    """How many lanes a chain has."""
    return lcm(*(len(hop.nodes) or 1 for hop in chain.path))


def is_backup(lab: Lab, chain: LabChain) -> bool:
    """Whether another chain names it as its backup."""
    return any(other.backup == chain.name for other in lab.chains)


def is_spread(lab: Lab, chain: LabChain) -> bool:
    """Whether its packets are given to lanes; else it is one lane, of its own name."""
    return count(chain) > 1 or chain.backup is not None or is_backup(lab, chain)


def names(lab: Lab, chain: LabChain) -> list[str]:
    """Those of its lanes."""
    if not is_spread(lab, chain):
        return [chain.name]
    return [f"{chain.name}-{number}" for number in range(1, count(chain) + 1)]


def lanes(lab: Lab, chain: LabChain, back: bool) -> list[Lane]:
    """All lanes of one direction of a chain."""
    routing = Routing(lab.links)
    return [
        _lane(lab, routing, chain, number, name, back)
        for number, name in enumerate(names(lab, chain))
    ]


def _lane(
    lab: Lab, routing: Routing, chain: LabChain, number: int, name: str, back: bool
) -> Lane:
    ingress, egress = chain.ingress, chain.egress
    hops = [(hop.nodes[number % len(hop.nodes)], hop.service) for hop in chain.path]
    if back:
        ingress, egress, hops = egress, ingress, hops[::-1]
    visits = tuple(_visits(lab, routing, _stops(ingress.node, hops, egress.node)))
    path_id = _path_id(name, back, chain.bidirectional, ingress, egress, visits)
    return Lane(name, ingress, egress, visits, path_id)


def _stops(
    first: str, hops: Sequence[tuple[str, str]], last: str
) -> list[tuple[str, tuple[str, ...]]]:
    """The nodes in order, each with the services that packets pass there in a row."""
    places: list[tuple[str, str | None]] = [(first, None), *hops, (last, None)]
    return [
        (node, tuple(service for _, service in run if service is not None))
        for node, run in groupby(places, key=lambda place: place[0])
    ]


def _visits(
    lab: Lab, routing: Routing, stops: Sequence[tuple[str, tuple[str, ...]]]
) -> Iterator[Visit]:
    index = FIRST_INDEX
    arrives: str | None = None
    for (node, services), after in zip(stops, [*stops[1:], None], strict=True):
        way = routing.links_between(node, after[0]) if after else []
        yield Visit(node, services, arrives, index, way[0] if way else None)
        index -= len(services)
        near = node
        for link, onward in pairwise(way):
            near = lab.links[link].far(near).node
            yield Visit(near, (), link, index, onward)
        arrives = way[-1] if way else None


def _path_id(*content: object) -> int:
    """Of all that a lane is, so that one that changes has another and one that stays keeps its own.

    Two lanes of one lab may meet; compile_lab refuses such a lab.
    """
    return int.from_bytes(hashlib.sha256(repr(content).encode()).digest()[:3], "big")

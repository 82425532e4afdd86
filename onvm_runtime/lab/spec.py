# SPDX-License-Identifier: BSD-3-Clause
"""A lab: nodes, the links between them, services on nodes, chains over nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onvm_runtime.chains.spec import Json, Places


@dataclass(frozen=True)
class End:
    """One end of a link: a port of a node.

    `address` (with prefix length) and `gateway` are for links that are routed.
    """

    node: str
    port: str
    address: str | None = None
    gateway: str | None = None


@dataclass(frozen=True)
class Link:
    """Two ports that reach each other, and how packets of chains are wrapped between them.

    encapsulation  nsh (RFC 8300 over Ethernet), vxlan-gpe (NSH within, over IPv4), or vlan
    mtu            of the wire between the ports, in bytes; None: that of the ports
    """

    name: str
    ends: tuple[End, End]
    encapsulation: str = "nsh"
    mtu: int | None = None
    vni: int = 0

    def end(self, node: str) -> End:
        """The end at a node; the link must have one there."""
        return self.ends[0] if self.ends[0].node == node else self.ends[1]

    def far(self, node: str) -> End:
        """The other end, seen from a node that has one."""
        return self.ends[1] if self.ends[0].node == node else self.ends[0]


@dataclass(frozen=True)
class LabService:
    """A service and the nodes where its instances run; `replicas` on each of them.

    `body` is what a chains file says of the service.
    """

    name: str
    nodes: tuple[str, ...]
    replicas: int
    body: Mapping[str, Json]


@dataclass(frozen=True)
class Hop:
    """A service in a path, and the nodes of it that this chain uses."""

    service: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Endpoint:
    """A port of a node where packets enter or leave the lab."""

    node: str
    port: str


@dataclass(frozen=True)
class LabChain:
    """Packets that enter at one node, pass services on any, and leave at one.

    `match` holds matches of a chains file without their port; `backup` names the
    chain that takes the packets while no way of this one is up.
    """

    name: str
    ingress: Endpoint
    egress: Endpoint
    path: tuple[Hop, ...] = ()
    match: tuple[Mapping[str, Json], ...] = ()
    priority: int = 0
    bidirectional: bool = False
    backup: str | None = None


@dataclass(frozen=True)
class Lab:
    """All of a lab.  `nodes`: the ports of every node by its name."""

    nodes: Mapping[str, tuple[str, ...]]
    links: Mapping[str, Link] = field(default_factory=dict)
    services: Mapping[str, LabService] = field(default_factory=dict)
    chains: tuple[LabChain, ...] = ()
    places: Places = field(default=Places(""), compare=False, repr=False)

    def chain(self, name: str) -> LabChain:
        """The chain of that name, which there is."""
        return next(chain for chain in self.chains if chain.name == name)

# SPDX-License-Identifier: BSD-3-Clause
"""A lab's desired state on one node: services, chains and the default chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Network: TypeAlias = IPv4Network | IPv6Network
PortRange: TypeAlias = tuple[int, int]
Placement: TypeAlias = str | tuple[int, ...]  # "auto", "shared", or CPUs

CPU_WEIGHT = 100
BY_RATE = "rate"  # in place of a CPU weight


@dataclass(frozen=True)
class Autoscale:
    """How many replicas a service gets by what is measured.

    min, max          replicas, both included
    metric            queue: packets that wait for a replica, the mean over all;
                      cpu: percent of a core that its handler takes, likewise
    high, low         above `high` for up_seconds one replica is added, below `low` for
                      down_seconds one is drained
    cooldown_seconds  after a change nothing changes for so long
    """

    min: int
    max: int
    metric: str = "queue"
    high: float = 256
    low: float = 16
    up_seconds: int = 5
    down_seconds: int = 60
    cooldown_seconds: int = 30

    def to_json(self) -> dict[str, Json]:
        """The keys of a chains file."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True)
class Service:
    """What the instances of one NF offer; chains name it.

    weights        shares of new flows, by replica; 1 where none is given
    by_rate        its CPU weight follows what arrives; `cpu_weight` is where it begins
    stateful       whether its instances know their flows, which therefore stay where
                   they are; None: as the NF's entry in the catalogue says
    drain_seconds  that a replica which is to go may keep its flows
    """

    name: str
    nf: str
    replicas: int = 1
    parameters: Mapping[str, Json] = field(default_factory=dict)
    branches: tuple[str, ...] = ()
    fuse: bool = False
    placement: Placement | None = None
    cpu_weight: int = CPU_WEIGHT
    by_rate: bool = False
    weights: tuple[int, ...] = ()
    stateful: bool | None = None
    drain_seconds: int = 30
    autoscale: Autoscale | None = None

    def to_json(self) -> dict[str, Json]:
        """The service under the keys of a chains file, without its name."""
        service: dict[str, Json] = {
            "nf": self.nf,
            "replicas": self.replicas,
            "parameters": dict(self.parameters),
            "to": list(self.branches),
        }
        if self.fuse:
            service["fuse"] = True
        if self.placement is not None:
            service["placement"] = placement_json(self.placement)
        if self.by_rate:
            service["cpu_weight"] = BY_RATE
        elif self.cpu_weight != CPU_WEIGHT:
            service["cpu_weight"] = self.cpu_weight
        return {**service, **self._balancing()}

    def _balancing(self) -> dict[str, Json]:
        """The keys of load balancing that say something."""
        keys: dict[str, Json] = {}
        if self.weights:
            keys["weights"] = list(self.weights)
        if self.stateful is not None:
            keys["stateful"] = self.stateful
        if self.drain_seconds != Service.drain_seconds:
            keys["drain_seconds"] = self.drain_seconds
        if self.autoscale:
            keys["autoscale"] = self.autoscale.to_json()
        return keys

    def weight(self, number: int) -> int:
        """The weight of the instance with a number, from 1."""
        return self.weights[number - 1] if number <= len(self.weights) else 1


def placement_json(placement: Placement) -> Json:
    """A placement as a chains file has it."""
    return placement if isinstance(placement, str) else list(placement)


@dataclass(frozen=True)
class Instance:
    """One NF that shall run, the `number`th of its service from 1 on.

    `fused` holds (name, NF) of all that run in its process, itself included; it is empty
    where the process is its own.  `placement` None: as the node places NFs.  `cpu_weight` is
    of the process, and follows what arrives if `by_rate`.
    """

    name: str
    service: str
    nf: str
    parameters: Mapping[str, Json]
    branches: tuple[str, ...]
    fused: tuple[tuple[str, str], ...] = ()
    placement: Placement | None = None
    cpu_weight: int = CPU_WEIGHT
    by_rate: bool = False
    weight: int = 1
    stateful: bool | None = None
    number: int = 1

    @property
    def group(self) -> str:
        """The name of the process that it shares; empty where it has its own."""
        return self.fused[0][0] if self.fused else ""


@dataclass(frozen=True)
class Match:
    """The packets that one rule takes; a field that is None matches all.

    MACs are lower case with colons, `vlan` is a VLAN id (0: untagged),
    `protocol` an IP protocol number, L4 port ranges include both ends.  `link`,
    `path_id` and `index` stand for themselves: packets that another node sent on.
    """

    port: str | None = None
    vlan: int | None = None
    ethertype: int | None = None
    source_mac: str | None = None
    destination_mac: str | None = None
    source: Network | None = None
    destination: Network | None = None
    protocol: int | None = None
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None
    link: str | None = None
    path_id: int | None = None
    index: int | None = None

    def to_json(self) -> dict[str, Json]:
        """The keys of a chains file that the match names."""
        return {
            item.name: _match_value(getattr(self, item.name))
            for item in fields(self)
            if getattr(self, item.name) is not None
        }


def _match_value(value: str | int | Network | PortRange) -> Json:
    if isinstance(value, tuple):
        low, high = value
        return low if low == high else f"{low}-{high}"
    return value if isinstance(value, (str, int)) else str(value)


@dataclass(frozen=True)
class Exit:
    """The way to another node: a link, and how the packets of this chain are told there.

    `path_id` and `index` are NSH's (RFC 8300); on a link of VLANs there is no index, and
    `path_id` is the VLAN id.
    """

    link: str
    path_id: int
    index: int | None = None

    def to_json(self) -> dict[str, Json]:
        """The keys of a chains file."""
        exit: dict[str, Json] = {"link": self.link, "path_id": self.path_id}
        return exit if self.index is None else {**exit, "index": self.index}

    def __str__(self) -> str:
        tag = f"{self.link}:{self.path_id}"
        return tag if self.index is None else f"{tag}/{self.index}"


Egress: TypeAlias = str | Exit


@dataclass(frozen=True)
class LinkEnd:
    """This node's end of a link to another node, `peer`, at one of its ports.

    The addresses are those of a routed link (vxlan-gpe), `vni` its network identifier.
    """

    name: str
    port: str
    peer: str
    encapsulation: str = "nsh"
    mtu: int | None = None
    address: str | None = None
    gateway: str | None = None
    peer_address: str | None = None
    vni: int | None = None

    def to_json(self) -> dict[str, Json]:
        """The keys of a chains file, without the name."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name != "name" and getattr(self, item.name) is not None
        }


@dataclass(frozen=True)
class Version:
    """Another version of a chain, for what comes by links, while a lab changes over.

    One that is `closed` takes nothing yet, whatever it matches; probes may enter it.
    """

    match: tuple[Match, ...]
    egress: Egress
    path: tuple[str, ...] = ()
    returns: str | None = None
    closed: bool = False

    def to_json(self) -> dict[str, Json]:
        """The keys of a chains file."""
        version: dict[str, Json] = {
            "match": [match.to_json() for match in self.match],
            "path": list(self.path),
            "egress": egress_json(self.egress),
        }
        if self.returns is not None:
            version["returns"] = self.returns
        if self.closed:
            version["closed"] = True
        return version


@dataclass(frozen=True)
class Chain:
    """Ordered services, then an egress; a packet that any match fits takes it.

    A chain with `lanes` has neither: it spreads its flows over those chains, and over those
    in `backup` while no lane is up.  `returns` names the chain of return traffic where
    that is written out, `way_back` says that this chain is one.  A chain that is `closed`
    takes nothing yet, as a Version.
    """

    name: str
    egress: Egress = ""
    path: tuple[str, ...] = ()
    match: tuple[Match, ...] = ()
    priority: int = 0
    bidirectional: bool = False
    lanes: tuple[str, ...] = ()
    backup: tuple[str, ...] = ()
    returns: str | None = None
    way_back: bool = False
    closed: bool = False
    also: tuple[Version, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The chain under the keys of a chains file, without its name."""
        chain: dict[str, Json] = {
            "match": [match.to_json() for match in self.match],
            "priority": self.priority,
        }
        if self.lanes:
            chain |= {"lanes": list(self.lanes), "backup": list(self.backup)}
        else:
            chain |= {"path": list(self.path), "egress": egress_json(self.egress)}
            chain["bidirectional"] = self.bidirectional
        if self.returns is not None:
            chain["returns"] = self.returns
        if self.way_back:
            chain["way_back"] = True
        if self.closed:
            chain["closed"] = True
        if self.also:
            chain["also"] = [version.to_json() for version in self.also]
        return chain


def egress_json(egress: Egress) -> Json:
    """An egress as a chains file has it."""
    return egress.to_json() if isinstance(egress, Exit) else egress


@dataclass(frozen=True)
class Places:
    """Lines of a file by dotted key."""

    file: str
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, key: str) -> int:
        """Line of `key`, or of the nearest key around it; 1 when there is none."""
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get(key, 1)


@dataclass(frozen=True)
class LabSpec:
    """All services by name, all chains in order of the file, and where they stand in it.

    Two specs are equal when they say the same, wherever they say it.
    """

    services: Mapping[str, Service] = field(default_factory=dict)
    chains: tuple[Chain, ...] = ()
    default: str | None = None
    links: Mapping[str, LinkEnd] = field(default_factory=dict)
    places: Places = field(default=Places(""), compare=False, repr=False)

    def to_json(self) -> dict[str, Json]:
        """The spec under the keys of a chains file."""
        return {
            "services": {name: service.to_json() for name, service in self.services.items()},
            "links": {name: link.to_json() for name, link in self.links.items()},
            "chains": [{"name": chain.name, **chain.to_json()} for chain in self.chains],
            "default": self.default,
        }


def versions(spec: LabSpec) -> Iterator[tuple[str, Chain | Version]]:
    """All chains and their other versions, by dotted key."""
    for index, chain in enumerate(spec.chains):
        yield f"chains[{index}]", chain
        for n, version in enumerate(chain.also):
            yield f"chains[{index}].also[{n}]", version

# SPDX-License-Identifier: BSD-3-Clause
"""A lab's desired state on one node: services, chains and the default chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Network: TypeAlias = IPv4Network | IPv6Network
PortRange: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Service:
    """What the instances of one NF offer; chains name it."""

    name: str
    nf: str
    replicas: int = 1
    parameters: Mapping[str, Json] = field(default_factory=dict)
    branches: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The service under the keys of a chains file, without its name."""
        return {
            "nf": self.nf,
            "replicas": self.replicas,
            "parameters": dict(self.parameters),
            "to": list(self.branches),
        }


@dataclass(frozen=True)
class Instance:
    """One NF that shall run."""

    name: str
    service: str
    nf: str
    parameters: Mapping[str, Json]
    branches: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The packets that one rule takes; a field that is None matches all.

    MACs are lower case with colons, `vlan` is a VLAN id (0: untagged),
    `protocol` an IP protocol number, L4 port ranges include both ends.
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
class Chain:
    """Ordered services, then an egress port; a packet that any match fits takes it."""

    name: str
    egress: str
    path: tuple[str, ...] = ()
    match: tuple[Match, ...] = ()
    priority: int = 0
    bidirectional: bool = False

    def to_json(self) -> dict[str, Json]:
        """The chain under the keys of a chains file, without its name."""
        return {
            "match": [match.to_json() for match in self.match],
            "priority": self.priority,
            "path": list(self.path),
            "egress": self.egress,
            "bidirectional": self.bidirectional,
        }


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
    places: Places = field(default=Places(""), compare=False, repr=False)

    def to_json(self) -> dict[str, Json]:
        """The spec under the keys of a chains file."""
        return {
            "services": {name: service.to_json() for name, service in self.services.items()},
            "chains": [{"name": chain.name, **chain.to_json()} for chain in self.chains],
            "default": self.default,
        }


def instances(spec: LabSpec) -> list[Instance]:
    """The NFs that a lab wants, named `<service>-<n>` with n from 1."""
    return [
        Instance(f"{service.name}-{n}", service.name, service.nf, service.parameters,
                 service.branches)
        for service in spec.services.values()
        for n in range(1, service.replicas + 1)
    ]  # fmt: skip

# SPDX-License-Identifier: BSD-3-Clause
"""The meaning of matches: what they imply, contradict, and have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from onvm_runtime.chains.spec import Match, Network, PortRange
from onvm_runtime.chains.values import ETHERTYPES, PROTOCOLS

_ICMP_FAMILY = {PROTOCOLS["icmp"]: 4, PROTOCOLS["icmpv6"]: 6}
_FAMILY_ETHERTYPE = {4: ETHERTYPES["ipv4"], 6: ETHERTYPES["ipv6"]}
_ETHERTYPE_FAMILY = {ethertype: family for family, ethertype in _FAMILY_ETHERTYPE.items()}
_WITH_PORTS = tuple(PROTOCOLS[name] for name in ("tcp", "udp", "sctp"))
_EXACT = ("port", "vlan", "ethertype", "source_mac", "destination_mac", "protocol")
_TAG = ("link", "path_id", "index")


def resolve(match: Match) -> Match:
    """The match with the EtherType that its prefixes or ICMP protocol imply."""
    family = next((family for _, family in _families(match)), None)
    if match.ethertype is not None or family is None:
        return match
    return replace(match, ethertype=_FAMILY_ETHERTYPE[family])


def reverse(match: Match, port: str) -> Match:
    """The packets that answer those of `match` and come in by `port`."""
    return replace(
        match,
        port=port,
        source_mac=match.destination_mac,
        destination_mac=match.source_mac,
        source=match.destination,
        destination=match.source,
        source_ports=match.destination_ports,
        destination_ports=match.source_ports,
    )


def overlap(one: Match, other: Match) -> bool:
    """Whether some packet fits both matches, which must be resolved."""
    if one.link is not None or other.link is not None:
        return all(getattr(one, name) == getattr(other, name) for name in _TAG)
    return (
        all(_agree(getattr(one, name), getattr(other, name)) for name in _EXACT)
        and _prefixes_meet(one.source, other.source)
        and _prefixes_meet(one.destination, other.destination)
        and _ranges_meet(one.source_ports, other.source_ports)
        and _ranges_meet(one.destination_ports, other.destination_ports)
    )


def contradictions(match: Match) -> Iterator[tuple[str, str]]:
    """Why no packet can fit a match: pairs of the key to change and a sentence."""
    yield from _tag_contradictions(match)
    families = list(_families(match))
    for key, family in families[1:]:
        first, wanted = families[0]
        if family != wanted:
            yield key, f"is IPv{family} but {first} is IPv{wanted}: one packet is never both"
    yield from _ethertype_contradictions(match, families)
    if match.protocol not in _WITH_PORTS:
        for key in ("source_ports", "destination_ports"):
            if getattr(match, key) is not None:
                yield key, "needs a protocol that has ports: add protocol: tcp, udp or sctp"


def _tag_contradictions(match: Match) -> Iterator[tuple[str, str]]:
    """What comes by a link is told by its tag alone."""
    if match.link is None:
        for key in ("path_id", "index"):
            if getattr(match, key) is not None:
                yield key, "is told on a link between nodes: name the link"
        return
    if match.path_id is None:
        yield "link", "needs the path_id under which the packets come: add it"
    for item in fields(match):
        if item.name not in _TAG and getattr(match, item.name) is not None:
            yield item.name, "is not looked at in packets that come by a link: remove it"


def _ethertype_contradictions(
    match: Match, families: list[tuple[str, int]]
) -> Iterator[tuple[str, str]]:
    if match.ethertype is None:
        return
    family = _ETHERTYPE_FAMILY.get(match.ethertype)
    for key, wanted in families:
        if family != wanted:
            yield (
                "ethertype",
                f"is not that of IPv{wanted}, which {key} asks for: "
                f"write 0x{_FAMILY_ETHERTYPE[wanted]:04x} or leave it out",
            )
            return
    if match.protocol is not None and family is None:
        yield "protocol", "is a field of IP: set ethertype to ipv4 or ipv6, or leave it out"


def _families(match: Match) -> Iterator[tuple[str, int]]:
    if match.source is not None:
        yield "source", match.source.version
    if match.destination is not None:
        yield "destination", match.destination.version
    if match.protocol in _ICMP_FAMILY:
        yield "protocol", _ICMP_FAMILY[match.protocol]


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _prefixes_meet(one: Network | None, other: Network | None) -> bool:
    return one is None or other is None or one.overlaps(other)


def _ranges_meet(one: PortRange | None, other: PortRange | None) -> bool:
    return one is None or other is None or (one[0] <= other[1] and other[0] <= one[1])

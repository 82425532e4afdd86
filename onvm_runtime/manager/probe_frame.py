# SPDX-License-Identifier: BSD-3-Clause
"""The frame of a probe: one that a chain's match takes, with all its checksums."""

from __future__ import annotations

import ipaddress
import struct

from onvm_runtime.chains import Match
from onvm_runtime.chains.matching import resolve
from onvm_runtime.chains.spec import Network
from onvm_runtime.chains.values import ETHERTYPES, PROTOCOLS

# Where a match leaves it open: locally administered addresses, those for benchmarks (RFC 2544) and
# documentation (RFC 3849), and the port where everything is discarded (RFC 863).
_MACS = ("02:00:00:00:00:fe", "02:00:00:00:00:ff")  # from, to
_ADDRESSES = {4: ("198.18.255.254", "198.19.255.254"), 6: ("2001:db8::fe", "2001:db8::ff")}
_PORTS = (49152, 9)

_VLAN = 0x8100
_TTL = 64
_SYN = 0x5002  # a header of 5 words, and the flag
_ECHO = {4: 8, 6: 128}
_ICMP = {PROTOCOLS["icmp"]: 4, PROTOCOLS["icmpv6"]: 6}


def make(match: Match, length: int) -> bytes:
    """A frame that fits the match, of `length` bytes, or more where its headers need them."""
    match = resolve(match)
    ends = (match.destination_mac or _MACS[1], match.source_mac or _MACS[0])
    header = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in ends)
    if match.vlan:
        header += struct.pack("!HH", _VLAN, match.vlan)
    ethertype = _ethertype(match)
    header += struct.pack("!H", ethertype)
    room = max(0, length - len(header))
    return (header + _content(match, ethertype, room)).ljust(length, b"\0")


def _ethertype(match: Match) -> int:
    if match.ethertype is not None:
        return match.ethertype
    return ETHERTYPES["ipv6" if match.protocol == PROTOCOLS["icmpv6"] else "ipv4"]


def _content(match: Match, ethertype: int, room: int) -> bytes:
    if ethertype == ETHERTYPES["ipv4"]:
        return _ipv4(match, room)
    return _ipv6(match, room) if ethertype == ETHERTYPES["ipv6"] else b""


def _ipv4(match: Match, room: int) -> bytes:
    source, destination = _addresses(match, 4)
    protocol = PROTOCOLS["udp"] if match.protocol is None else match.protocol
    payload = _transport(match, protocol, source + destination, room - 20)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, _TTL, protocol, 0)
    head += source + destination
    return head[:10] + _sum(head) + head[12:] + payload


def _ipv6(match: Match, room: int) -> bytes:
    source, destination = _addresses(match, 6)
    protocol = PROTOCOLS["udp"] if match.protocol is None else match.protocol
    payload = _transport(match, protocol, source + destination, room - 40)
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, _TTL)
    return head + source + destination + payload


def _addresses(match: Match, family: int) -> tuple[bytes, bytes]:
    source, destination = _ADDRESSES[family]
    return _address(match.source, source), _address(match.destination, destination)


def _address(network: Network | None, other: str) -> bytes:
    """The first host of a network; of one that has but one address, that."""
    if network is None:
        return ipaddress.ip_address(other).packed
    return network[min(1, network.num_addresses - 1)].packed


def _transport(match: Match, protocol: int, ends: bytes, size: int) -> bytes:
    ports = (_port(match.source_ports, _PORTS[0]), _port(match.destination_ports, _PORTS[1]))
    if protocol == PROTOCOLS["udp"]:
        size = max(size, 8)
        segment = struct.pack("!HHHH", *ports, size, 0).ljust(size, b"\0")
        return _checked(segment, 6, _pseudo(ends, protocol, size))
    if protocol == PROTOCOLS["tcp"]:
        size = max(size, 20)
        segment = struct.pack("!HHIIHHHH", *ports, 1, 0, _SYN, 65535, 0, 0).ljust(size, b"\0")
        return _checked(segment, 16, _pseudo(ends, protocol, size))
    if protocol in _ICMP:
        size, family = max(size, 8), _ICMP[protocol]
        segment = struct.pack("!BBHHH", _ECHO[family], 0, 0, 1, 1).ljust(size, b"\0")
        return _checked(segment, 2, _pseudo(ends, protocol, size) if family == 6 else b"")
    return struct.pack("!HHII", *ports, 0, 0).ljust(max(size, 12), b"\0")


def _port(ports: tuple[int, int] | None, other: int) -> int:
    return other if ports is None else ports[0]


def _pseudo(ends: bytes, protocol: int, size: int) -> bytes:
    """What is summed up beside a segment (RFC 9293, RFC 8200); both forms have one sum."""
    return ends + struct.pack("!II", size, protocol)


def _checked(segment: bytes, place: int, pseudo: bytes) -> bytes:
    return segment[:place] + _sum(pseudo + segment) + segment[place + 2 :]


def _sum(content: bytes) -> bytes:
    """The checksum of RFC 1071; never 0, which in UDP would say that there is none."""
    content += b"\0" * (len(content) % 2)
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF or 0xFFFF)

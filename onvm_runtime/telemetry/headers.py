# SPDX-License-Identifier: BSD-3-Clause
"""A frame in words: what its first bytes say of it."""

from __future__ import annotations

import ipaddress
import struct

_VLANS = (0x8100, 0x88A8)
_IPV4, _IPV6 = 0x0800, 0x86DD
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
_WITH_PORTS = (6, 17, 132)


def describe(frame: bytes) -> str:
    """`tcp 198.18.0.1:40000 > 198.18.0.2:80`; of what is not IP, MAC addresses and EtherType.

    Never fails: a frame that is cut off is described as far as it goes.
    """
    if len(frame) < 14:
        return f"{len(frame)} bytes"
    place, kind = 14, _word(frame, 12)
    while kind in _VLANS and len(frame) >= place + 4:
        kind, place = _word(frame, place + 2), place + 4
    if kind == _IPV4 and len(frame) >= place + 20:
        return _ipv4(frame[place:])
    if kind == _IPV6 and len(frame) >= place + 40:
        return _flow(frame[place + 6], frame[place + 8 :], 16, frame[place + 40 :])
    return f"{_mac(frame[6:12])} > {_mac(frame[:6])} type 0x{kind:04x}"


def _ipv4(packet: bytes) -> str:
    header = 4 * (packet[0] & 15)
    first = _word(packet, 6) & 0x1FFF == 0
    return _flow(packet[9], packet[12:], 4, packet[header:] if first else b"")


def _flow(protocol: int, addresses: bytes, size: int, payload: bytes) -> str:
    ends = [str(ipaddress.ip_address(addresses[i * size : (i + 1) * size])) for i in (0, 1)]
    if protocol in _WITH_PORTS and len(payload) >= 4:
        ports = struct.unpack_from("!HH", payload)
        ends = [f"[{e}]:{p}" if ":" in e else f"{e}:{p}" for e, p in zip(ends, ports, strict=True)]
    return f"{_NAMES.get(protocol, f'protocol {protocol}')} {ends[0]} > {ends[1]}"


def _word(data: bytes, place: int) -> int:
    return int(struct.unpack_from("!H", data, place)[0])


def _mac(data: bytes) -> str:
    return data.hex(":")

# SPDX-License-Identifier: BSD-3-Clause
"""Writes the capture that is replayed: UDP flows of the lab's addresses.

The file format is that of libpcap (draft-ietf-opsawg-pcap), link type Ethernet.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from pathlib import Path

FLOWS = 8
PACKETS_PER_FLOW = 32

_FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
_ETHERNET = bytes.fromhex("020000000002 020000000001 0800".replace(" ", ""))
_PAYLOAD = b"replayed"


def write(path: Path) -> int:
    """Write the capture; returns its number of packets.

    The file appears complete or not at all: the data plane may be waiting for it.
    """
    frames = [_frame(flow) for _ in range(PACKETS_PER_FLOW) for flow in range(FLOWS)]
    records = (_record(number, frame) for number, frame in enumerate(frames))
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(_FILE_HEADER + b"".join(records))
    unfinished.rename(path)
    return len(frames)


def _record(number: int, frame: bytes) -> bytes:
    return struct.pack("<IIII", 0, number, len(frame), len(frame)) + frame


def _frame(flow: int) -> bytes:
    """Return one UDP datagram in IPv4 in Ethernet (RFC 768, RFC 791)."""
    source = IPv4Address("198.18.7.1") + flow
    udp = struct.pack("!HHHH", 4000 + flow, 5000, 8 + len(_PAYLOAD), 0) + _PAYLOAD
    return _ETHERNET + _ipv4(source, IPv4Address("198.19.7.1"), udp) + udp


def _ipv4(source: IPv4Address, destination: IPv4Address, payload: bytes) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0, source.packed, destination.packed,
    )  # fmt: skip
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:]


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total = int(sum(struct.unpack(f"!{len(data) // 2}H", data)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

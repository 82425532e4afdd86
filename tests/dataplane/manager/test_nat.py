# SPDX-License-Identifier: BSD-3-Clause
"""Replicas of a NAT: real flows out and back, while replicas come and go."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import Namespace
from tests.dataplane.plane import eventually

IPV4 = 0x0800
PUBLIC, SERVER = "198.19.0.1", "198.19.0.80"
HEADER = bytes.fromhex("022200000050 021100000010 0800".replace(" ", ""))
SHARES, LOW = 4, 1024
SHARE = (65536 - LOW) // SHARES
BATCH = 24  # flows that begin under each number of replicas
SPEC = f"""
services:
  nat:
    nf: nat
    parameters: {{inside: [198.18.0.0/24], addresses: [{PUBLIC}], shares: {SHARES}}}
chains:
  - {{name: out, match: {{port: in}}, path: [nat], egress: out, bidirectional: true}}
"""

End = tuple[str, int]


def datagram(source: End, destination: End) -> bytes:
    """An Ethernet frame with an empty UDP datagram, padded; UDP's checksum may be 0."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
    header = bytes.fromhex("4500001c000100004011") + b"\0\0" + addresses
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = header[:10] + total.to_bytes(2, "big") + header[12:]
    return (HEADER + header + ports + b"\0\x08\0\0").ljust(60, b"\0")


def ends(frame: bytes) -> tuple[End, End]:
    """Source and destination of a datagram."""
    source, destination = (socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30))
    return (
        (source, int.from_bytes(frame[34:36], "big")),
        (destination, int.from_bytes(frame[36:38], "big")),
    )


class Wires:
    """Both sides of the NAT."""

    def __init__(self, namespace: Namespace) -> None:
        self.inside, self.outside = (namespace.socket(port, IPV4) for port in ("in", "out"))
        for side in (self.inside, self.outside):
            side.settimeout(5)

    def out(self, inside: End, server: End) -> End:
        """Sends from inside; returns the public end that the server's side sees."""
        self.inside.send(datagram(inside, server))
        source, destination = ends(self.outside.recv(2048))
        assert (source[0], destination) == (PUBLIC, server)
        return source

    def back(self, public: End, server: End) -> End:
        """Answers to a public end; returns whom inside that reaches."""
        self.outside.send(datagram(server, public))
        source, destination = ends(self.inside.recv(2048))
        assert source == server
        return destination


@pytest.fixture
def wires(namespace: Namespace) -> Iterator[Wires]:
    made = Wires(namespace)
    yield made
    made.inside.close()
    made.outside.close()


def test_flows_keep_their_public_ends_while_replicas_come_and_go(
    make: Callable[..., Managed], namespace: Namespace, wires: Wires
) -> None:
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(SPEC)
    server, public = (SERVER, 80), dict[End, End]()
    for step, replicas in enumerate((1, 2, 4, 3)):
        node.post("/v1/services/nat/scale", {"replicas": replicas}).raise_for_status()
        eventually(
            lambda n=replicas: all(node.runs(f"nat-{i + 1}") for i in range(n)), "replicas run"
        )
        for flow in range(BATCH):
            inside = (f"198.18.0.{step + 1}", 5000 + flow)
            public[inside] = wires.out(inside, server)
        for inside, end in public.items():
            assert wires.back(end, server) == inside
            assert wires.out(inside, server) == end
    assert len(set(public.values())) == len(public) == 4 * BATCH
    began = list(public.values())
    shares = [{(port - LOW) // SHARE for _, port in began[n : n + BATCH]} for n in range(0, 96, 24)]
    assert shares[0] == {0}
    assert shares[1] == {0, 1}
    assert shares[2] == {0, 1, 2, 3}
    assert shares[3] <= {0, 1, 2}

# SPDX-License-Identifier: BSD-3-Clause
"""Which ways in a probe takes, and the frame that it is."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.sctp import SCTP

from onvm_runtime.chains import Match, compile_plan, entrances, load
from onvm_runtime.manager import models, probe_frame, probing
from onvm_runtime.manager.failure import Conflict, NotFound

# {match of a chains file: the layers of the frame and what they hold}
FRAMES: list[tuple[str, dict[Any, dict[str, Any]]]] = [
    ("port: in", {Ether: {}, IP: {"src": "198.18.255.254"}, UDP: {"dport": 9}}),
    ("vlan: 7", {Dot1Q: {"vlan": 7}, IP: {}, UDP: {}}),
    ("vlan: 0", {IP: {}, UDP: {}}),
    ("destination_mac: '02:11:22:33:44:55'", {Ether: {"dst": "02:11:22:33:44:55"}}),
    ("source: 10.0.0.0/8", {IP: {"src": "10.0.0.1"}}),
    ("destination: 10.1.2.3", {IP: {"dst": "10.1.2.3"}}),
    ("source: 2001:db8:5::/48", {IPv6: {"src": "2001:db8:5::1"}, UDP: {}}),
    (
        "protocol: tcp, destination_ports: 80-90, source_ports: 5000",
        {TCP: {"dport": 80, "sport": 5000, "flags": "S"}},
    ),
    ("protocol: udp, destination_ports: 53", {UDP: {"dport": 53}}),
    ("protocol: icmp", {IP: {}, ICMP: {"type": 8}}),
    ("protocol: icmpv6", {IPv6: {}, ICMPv6EchoRequest: {}}),
    ("protocol: sctp, destination_ports: 3868", {SCTP: {"dport": 3868}}),
    ("protocol: 47", {IP: {"proto": 47}}),
    ("ethertype: arp", {ARP: {}}),
]


def match_of(text: str) -> Match:
    spec = load(f"chains: [{{name: x, match: {{{text}}}, egress: out}}]", "chains.yml")
    return spec.chains[0].match[0]


@pytest.mark.parametrize("length", [60, 1514])
@pytest.mark.parametrize(("match", "layers"), FRAMES, ids=[text for text, _ in FRAMES])
def test_a_frame_fits_the_match(
    match: str, layers: dict[Any, dict[str, Any]], length: int
) -> None:
    made = probe_frame.make(match_of(match), length)
    assert len(made) >= length
    assert len(made) - length <= 20, "only where headers need it"
    seen = Ether(made)
    for layer, values in layers.items():
        assert layer in seen
        for name, value in values.items():
            assert getattr(seen[layer], name) == value
    again = Ether(made)
    for layer, name in ((IP, "chksum"), (UDP, "chksum"), (TCP, "chksum"), (ICMP, "chksum"),
                        (ICMPv6EchoRequest, "cksum")):  # fmt: skip
        if layer in again:
            delattr(again[layer], name)
    assert bytes(again) == made, "checksums are right"


SPEC = """
links:
  ab: {port: east, peer: b}
  av: {port: wan, peer: b, encapsulation: vlan}
services: {fw: {nf: forward}}
chains:
  - {name: web, match: {port: in}, path: [fw], egress: {link: ab, path_id: 5, index: 9},
     also: [{match: {port: in}, egress: {link: ab, path_id: 6, index: 9}, closed: true}]}
  - {name: linked, match: {link: ab, path_id: 7, index: 9}, egress: out}
  - {name: behind, match: {link: av, path_id: 8}, path: [fw], egress: out}
  - {name: both, match: {port: out}, egress: in, bidirectional: true}
  - {name: spread, match: {port: wan}, lanes: [lane]}
  - {name: lane, path: [fw], egress: out}
"""
NEW = {"path": [], "egress": {"link": "ab", "path_id": 6, "index": 9}}
PORTS = {"in", "out", "east", "wan"}


def found(chain: str, version: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """The egress of each way in, and the port of its packets."""
    spec = load(SPEC, "chains.yml")
    request = models.ProbeRequest.model_validate({"chain": chain, "version": version})
    ways = probing.wanted(entrances(spec, compile_plan(spec, None)), request)
    return [(str(way.egress), probing.port(way, spec, PORTS)) for way in ways]


@pytest.mark.parametrize(
    ("chain", "version", "expected"),
    [
        ("web", None, [("ab:5/9", "in"), ("ab:6/9", "in")]),
        ("web", NEW, [("ab:6/9", "in")]),
        ("linked", None, []),
        ("linked", {"path": [], "egress": "out"}, [("out", "east")]),
        ("behind", None, [("out", "wan")]),
        ("both", None, [("in", "out"), ("out", "in")]),
        ("lane", None, [("out", "wan")]),
    ],
)
def test_ways_in(
    chain: str, version: dict[str, Any] | None, expected: list[tuple[str, str]]
) -> None:
    assert found(chain, version) == expected


@pytest.mark.parametrize(
    ("chain", "version", "sentence"),
    [("other", None, "no chain other"), ("linked", NEW, "no such version of chain linked")],
)
def test_what_is_not_there(chain: str, version: dict[str, Any] | None, sentence: str) -> None:
    with pytest.raises(NotFound, match=sentence):
        found(chain, version)


def test_a_port_that_is_not_open() -> None:
    spec = load(SPEC, "chains.yml")
    way = entrances(spec, compile_plan(spec, None))[0]
    with pytest.raises(Conflict, match="chain web is not open"):
        probing.port(way, spec, {"out"})

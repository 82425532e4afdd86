# SPDX-License-Identifier: BSD-3-Clause
"""What firewall makes of packets."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from onvm_runtime.nf.golden import Case, Step, branched, dropped, passed

IP4 = {"src": "198.18.0.10", "dst": "198.19.0.80"}
IP6 = {"src": "2001:db8::10", "dst": "2001:db8:1::80"}
BLOCKED = dropped("nf_policy")
WEB = {"protocol": "tcp", "destination_ports": 80, "verdict": "accept"}


def frame(packet: Packet, **changes: object) -> bytes:
    """The packet in Ethernet, with its checksums and lengths."""
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **changes) / packet)


def tcp(port: int) -> bytes:
    """A TCP segment to a port, over IPv4."""
    return frame(IP(**IP4) / TCP(sport=40000, dport=port))


def tcp6(port: int) -> bytes:
    """A TCP segment to a port, over IPv6."""
    return frame(IPv6(**IP6) / TCP(sport=40000, dport=port))


def cut(whole: bytes, length: int) -> bytes:
    """The first bytes of a frame, as a broken sender would send them."""
    return whole[:length]


CASES = [
    Case("without rules everything passes", steps=[Step(tcp(80), passed())]),
    Case(
        "the default verdict is for packets that no rule matches",
        parameters={"rules": [WEB], "default": "drop"},
        steps=[
            Step(tcp(80), passed()),
            Step(tcp(81), BLOCKED),
            Step(tcp6(80), passed()),
            Step(frame(IP(**IP4) / UDP(sport=1, dport=80)), BLOCKED),
        ],
    ),
    Case(
        "the first rule that matches decides",
        parameters={
            "rules": [
                {"source": "198.18.0.10", "verdict": "drop"},
                {"source": "198.18.0.0/24", "verdict": "accept"},
                {"source": "198.18.0.0/15", "verdict": "drop"},
            ]
        },
        steps=[
            Step(frame(IP(src="198.18.0.10", dst="198.19.0.1") / UDP()), BLOCKED),
            Step(frame(IP(src="198.18.0.11", dst="198.19.0.1") / UDP()), passed()),
            Step(frame(IP(src="198.18.1.11", dst="198.19.0.1") / UDP()), BLOCKED),
            Step(frame(IP(src="198.20.0.1", dst="198.19.0.1") / UDP()), passed()),
        ],
    ),
    Case(
        "a long prefix does not hide the rule of a short one behind it",
        parameters={
            "rules": [
                {"destination": "198.19.0.80", "destination_ports": 22, "verdict": "accept"},
                {"destination": "198.19.0.0/16", "verdict": "drop"},
            ]
        },
        steps=[Step(tcp(22), passed()), Step(tcp(80), BLOCKED)],
    ),
    Case(
        "prefixes of every length end where they say",
        parameters={
            "rules": [
                {"source": "198.18.128.0/17", "verdict": "drop"},
                {"source": "198.18.0.12/30", "verdict": "drop"},
                {"source": "2001:db8:8000::/33", "verdict": "drop"},
                {"source": "2001:db8::fffe/127", "verdict": "drop"},
            ]
        },
        steps=[
            Step(frame(IP(src="198.18.127.255", dst="198.19.0.1") / UDP()), passed()),
            Step(frame(IP(src="198.18.128.0", dst="198.19.0.1") / UDP()), BLOCKED),
            Step(frame(IP(src="198.18.0.11", dst="198.19.0.1") / UDP()), passed()),
            Step(frame(IP(src="198.18.0.15", dst="198.19.0.1") / UDP()), BLOCKED),
            Step(frame(IP(src="198.18.0.16", dst="198.19.0.1") / UDP()), passed()),
            Step(frame(IPv6(src="2001:db8:7fff::", dst="2001:db8::1") / UDP()), passed()),
            Step(frame(IPv6(src="2001:db8:8000::", dst="2001:db8::1") / UDP()), BLOCKED),
            Step(frame(IPv6(src="2001:db8::ffff", dst="2001:db8::1") / UDP()), BLOCKED),
            Step(frame(IPv6(src="2001:db8::fffd", dst="2001:db8::1") / UDP()), passed()),
        ],
    ),
    Case(
        "a rule with an IPv4 prefix says nothing about IPv6, nor the other way",
        parameters={
            "rules": [
                {"source": "0.0.0.0/0", "verdict": "accept"},
                {"destination": "2001:db8:1::/48", "destination_ports": 443, "verdict": "accept"},
            ],
            "default": "drop",
        },
        steps=[Step(tcp(80), passed()), Step(tcp6(80), BLOCKED), Step(tcp6(443), passed())],
    ),
    Case(
        "port ranges include both ends",
        parameters={
            "rules": [
                {"protocol": "udp", "source_ports": "1024-2047", "verdict": "accept"},
                {"protocol": "udp", "source_ports": "65535-65535", "verdict": "accept"},
            ],
            "default": "drop",
        },
        steps=[
            Step(frame(IP(**IP4) / UDP(sport=port)), expected)
            for port, expected in [
                (1023, BLOCKED),
                (1024, passed()),
                (2047, passed()),
                (2048, BLOCKED),
                (65535, passed()),
            ]
        ],
    ),
    Case(
        "a fragment after the first has no ports, so rules with ports do not match it",
        parameters={"rules": [WEB, {"protocol": "udp", "verdict": "accept"}], "default": "drop"},
        steps=[
            Step(frame(IP(**IP4, frag=100, proto=6) / b"\x9c\x40\x00\x50 not ports"), BLOCKED),
            Step(frame(IP(**IP4, frag=100, proto=17) / b"later part"), passed()),
            Step(frame(IP(**IP4, flags="MF") / TCP(dport=80)), passed()),
            Step(frame(IPv6(**IP6) / IPv6ExtHdrFragment(offset=9, nh=6) / (b"\0P" * 20)), BLOCKED),
            Step(frame(IPv6(**IP6) / IPv6ExtHdrFragment(offset=0, m=1) / TCP(dport=80)), passed()),
        ],
    ),
    Case(
        "extension headers are walked to the transport header",
        parameters={"rules": [WEB], "default": "drop"},
        steps=[
            Step(
                frame(IPv6(**IP6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / TCP(dport=80)),
                passed(),
            )
        ],
    ),
    Case(
        "VLAN tags do not hide a packet from its rules",
        parameters={"rules": [WEB], "default": "drop"},
        steps=[
            Step(frame(Dot1Q(vlan=5) / IP(**IP4) / TCP(dport=80)), passed()),
            Step(frame(Dot1Q(vlan=9) / Dot1Q(vlan=5) / IP(**IP4) / TCP(dport=23)), BLOCKED),
        ],
    ),
    Case(
        "frames that are not IP pass by default, so that ARP works",
        parameters={"default": "drop"},
        steps=[Step(frame(ARP(psrc="198.18.0.1", pdst="198.19.0.1")), passed())],
    ),
    Case(
        "non_ip may forbid them",
        parameters={"non_ip": "drop"},
        steps=[Step(frame(ARP(psrc="198.18.0.1", pdst="198.19.0.1")), BLOCKED)],
    ),
    Case(
        "neighbour discovery is ICMPv6 and needs a rule where the default is drop",
        parameters={"rules": [{"protocol": "icmpv6", "verdict": "accept"}], "default": "drop"},
        steps=[
            Step(frame(IPv6(src="2001:db8::1", dst="ff02::1:ff00:2") / ICMPv6ND_NS()), passed()),
            Step(frame(IP(**IP4) / ICMP()), BLOCKED),
        ],
    ),
    Case(
        "a protocol may be a number",
        parameters={"rules": [{"protocol": 47, "verdict": "drop"}]},
        steps=[
            Step(frame(IP(**IP4, proto=47) / b"anything"), BLOCKED),
            Step(frame(IP(**IP4, proto=46) / b"anything"), passed()),
        ],
    ),
    Case(
        "to sends matching packets to a branch",
        parameters={"rules": [{"protocol": "udp", "to": "scrubber"}]},
        branches={"scrubber": 2},
        steps=[Step(frame(IP(**IP4) / UDP()), branched(2)), Step(tcp(80), passed())],
    ),
    Case(
        "headers that contradict the frame are dropped as malformed, whatever the rules say",
        steps=[
            Step(cut(tcp(80), length), dropped("nf_malformed"))
            for length in (14, 20, 33, 34, 37, 53)
        ]
        + [
            Step(cut(tcp6(80), 60), dropped("nf_malformed")),
            Step(frame(IP(**IP4, ihl=4) / UDP()), dropped("nf_malformed")),
            Step(frame(IP(**IP4, len=19) / UDP()), dropped("nf_malformed")),
            Step(frame(IP(**IP4) / UDP(len=7)), dropped("nf_malformed")),
            Step(frame(IP(**IP4) / UDP(len=100)), dropped("nf_malformed")),
            Step(frame(IP(**IP4) / TCP(dataofs=4)), dropped("nf_malformed")),
            Step(frame(IP(**IP4) / TCP(dataofs=15)), dropped("nf_malformed")),
            Step(frame(b"", type=0x8100), dropped("nf_malformed")),
        ],
    ),
]

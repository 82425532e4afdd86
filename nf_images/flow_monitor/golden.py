# SPDX-License-Identifier: BSD-3-Clause
"""What flow_monitor makes of packets: it passes all of them as they are."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from onvm_runtime.nf.golden import Case, Step, passed

FRAMES = [
    bytes(Ether() / packet)
    for packet in (
        IP(src="198.18.0.1", dst="198.19.0.1") / UDP(sport=4000, dport=53),
        IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=4000, dport=80),
        ARP(psrc="198.18.0.1", pdst="198.19.0.1"),
        IP(src="198.18.0.1", dst="198.19.0.1", len=9) / UDP(),
    )
]

CASES = [
    Case(
        "every packet passes, also one that is not IP or malformed",
        steps=[Step(frame, passed()) for frame in FRAMES],
    ),
    Case(
        "packets pass when the table is full",
        parameters={"max_flows": 1},
        steps=[Step(frame, passed()) for frame in FRAMES],
    ),
]

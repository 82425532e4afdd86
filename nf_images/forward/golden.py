# SPDX-License-Identifier: BSD-3-Clause
"""What forward makes of packets."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from onvm_runtime.nf.golden import Case, Step, passed

ONE = "02:00:00:00:00:01"
OTHER = "02:00:00:00:00:02"
DATAGRAM = IP(src="198.18.0.1", dst="198.19.0.1") / UDP(sport=4000, dport=53) / b"question"
FRAME = bytes(Ether(src=ONE, dst=OTHER) / DATAGRAM)
SWAPPED = bytes(Ether(src=OTHER, dst=ONE) / DATAGRAM)

CASES = [
    Case("by default every packet passes as it is", steps=[Step(FRAME, passed())]),
    Case(
        "swap_mac swaps the MAC addresses and nothing else",
        parameters={"swap_mac": True},
        steps=[Step(FRAME, passed(SWAPPED)), Step(SWAPPED, passed(FRAME))],
    ),
    Case(
        "a bare Ethernet header is swapped as well",
        parameters={"swap_mac": True},
        steps=[Step(b"ABCDEFabcdef\x88\xb5", passed(b"abcdefABCDEF\x88\xb5"))],
    ),
]

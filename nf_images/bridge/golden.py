# SPDX-License-Identifier: BSD-3-Clause
"""What bridge makes of packets."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from onvm_runtime.nf.golden import Case, Step, dropped, sent_out

DATAGRAM = bytes(Ether() / IP(src="198.18.0.1", dst="198.19.0.1") / UDP(sport=4000, dport=53))
REQUEST = bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="198.18.0.1", pdst="198.19.0.1"))
PORTS = {"client": 3, "server": 5, "spare": 6, "other": 63}

CASES = [
    Case(
        "what comes in by one port of a pair leaves by the other, whatever it is",
        parameters={"pairs": [["client", "server"]]},
        ports=PORTS,
        steps=[
            Step(DATAGRAM, sent_out(5), port=3),
            Step(DATAGRAM, sent_out(3), port=5),
            Step(REQUEST, sent_out(5), port=3),
        ],
    ),
    Case(
        "pairs do not mix",
        parameters={"pairs": [["client", "server"], ["spare", "other"]]},
        ports=PORTS,
        steps=[Step(DATAGRAM, sent_out(63), port=6), Step(DATAGRAM, sent_out(5), port=3)],
    ),
    Case(
        "a packet of a port in no pair is dropped",
        parameters={"pairs": [["client", "server"]]},
        ports=PORTS,
        steps=[Step(DATAGRAM, dropped("nf_policy"), port=6)],
    ),
]

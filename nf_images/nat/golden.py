# SPDX-License-Identifier: BSD-3-Clause
"""What nat makes of packets."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from onvm_runtime.nf.golden import Case, Expected, Step, dropped, passed, sent_out

INSIDE, SECOND, PUBLIC, SERVER, ROUTER = (
    "198.18.0.10",
    "198.18.0.11",
    "198.19.0.1",
    "198.19.0.80",
    "198.19.0.254",
)
INSIDE_MAC, SECOND_MAC, SERVER_MAC = "02:11:00:00:00:0a", "02:11:00:00:00:0b", "02:22:00:00:00:50"
NAT_MAC = "02:00:c6:13:00:01"  # 02:00 and 198.19.0.1
PARAMETERS = {"inside": ["198.18.0.0/24"], "addresses": [PUBLIC]}
NO_MAPPING = dropped("nf_no_mapping")
UNSUPPORTED = dropped("nf_unsupported")


def sent(packet: Packet, mac: str = INSIDE_MAC) -> bytes:
    """A frame of an inside host to the server's MAC address."""
    return bytes(Ether(src=mac, dst=SERVER_MAC) / packet)


def translated(packet: Packet) -> Expected:
    """The frame that the server's side sees of an inside host's."""
    return passed(bytes(Ether(src=NAT_MAC, dst=SERVER_MAC) / packet))


def answered(packet: Packet) -> bytes:
    """A frame of the server to the public address."""
    return bytes(Ether(src=SERVER_MAC, dst=NAT_MAC) / packet)


def delivered(packet: Packet, mac: str = INSIDE_MAC) -> Expected:
    """The frame that the inside host sees."""
    return passed(bytes(Ether(src=SERVER_MAC, dst=mac) / packet))


def out(transport: Packet, source: str = INSIDE) -> Packet:
    """A packet from inside to the server."""
    return IP(src=source, dst=SERVER, id=7) / transport


def back(transport: Packet, destination: str = PUBLIC) -> Packet:
    """A packet of the server."""
    return IP(src=SERVER, dst=destination, id=9) / transport


def outward(transport: Packet, after: float = 0) -> Step:
    """An inside host's packet that keeps its port."""
    return Step(sent(out(transport)), translated(out(transport, PUBLIC)), after=after)


def inward(transport: Packet, after: float = 0) -> Step:
    """The server's packet to the public end, which has the inside host's port."""
    return Step(answered(back(transport)), delivered(back(transport, INSIDE)), after=after)


QUERY = UDP(sport=4000, dport=53) / b"question"
ANSWER = UDP(sport=53, dport=4000) / b"answer"
SYN = TCP(sport=5000, dport=80, flags="S", seq=1)
SYN_FROM_3000 = TCP(sport=3000, dport=80, flags="S", seq=1)
SYN_ACK = TCP(sport=80, dport=5000, flags="SA", seq=8, ack=2)
ACK = TCP(sport=5000, dport=80, flags="A", seq=2, ack=9)
DATA = TCP(sport=80, dport=5000, flags="A", seq=9, ack=2) / b"page"
HELLO = UDP(sport=6000, dport=4000) / b"hello"
PING = ICMP(type=8, id=7700, seq=1) / b"payload!"
PONG = ICMP(type=0, id=7700, seq=1) / b"payload!"


def error(quoted: Packet, kind: int = 3) -> Packet:
    """An ICMP error about a packet."""
    return ICMP(type=kind, code=1) / quoted


def cut_short(packet: Packet) -> Packet:
    """The IP header and eight bytes of a packet: all that RFC 792 has quoted."""
    return IP(bytes(packet)[:28])


CASES = [
    Case(
        "UDP: an inside host's packets leave from the public address, answers come back",
        parameters=PARAMETERS,
        steps=[outward(QUERY), inward(ANSWER)],
    ),
    Case(
        "TCP: checksums and options stay right both ways",
        parameters=PARAMETERS,
        steps=[
            outward(TCP(sport=5000, dport=80, flags="S", options=[("MSS", 1460)])),
            inward(SYN_ACK),
            outward(ACK),
            inward(DATA),
        ],
    ),
    Case(
        "a UDP packet without a checksum gets none",
        parameters=PARAMETERS,
        steps=[
            outward(UDP(sport=4000, dport=53, chksum=0) / b"question"),
            inward(UDP(sport=53, dport=4000, chksum=0) / b"answer"),
        ],
    ),
    Case(
        "a UDP checksum that comes out as zero is sent as all ones (RFC 768)",
        parameters=PARAMETERS,
        steps=[outward(UDP(sport=4000, dport=53) / b"\x63\x8d")],
    ),
    Case(
        "pings are mapped by their identifier",
        parameters=PARAMETERS,
        steps=[outward(PING), inward(PONG)],
    ),
    Case(
        "a port that is taken is replaced by the next free one of its parity",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(
                sent(out(QUERY, SECOND), SECOND_MAC),
                translated(out(UDP(sport=4002, dport=53) / b"question", PUBLIC)),
            ),
            Step(
                answered(back(UDP(sport=53, dport=4002) / b"answer")),
                delivered(back(ANSWER, SECOND), SECOND_MAC),
            ),
        ],
    ),
    Case(
        "a port outside the range is not kept",
        parameters=PARAMETERS | {"ports": "3000-3000"},
        steps=[
            Step(
                sent(out(QUERY)), translated(out(UDP(sport=3000, dport=53) / b"question", PUBLIC))
            ),
            Step(sent(out(QUERY, SECOND), SECOND_MAC), dropped("nf_table_full")),
        ],
    ),
    Case(
        "mapping and filtering do not depend on the other end",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(
                sent(IP(src=INSIDE, dst=ROUTER) / QUERY),
                translated(IP(src=PUBLIC, dst=ROUTER) / QUERY),
            ),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / UDP(sport=9, dport=4000)),
                delivered(IP(src=ROUTER, dst=INSIDE) / UDP(sport=9, dport=4000)),
            ),
        ],
    ),
    Case(
        "packets of several buffers are translated like others",
        parameters=PARAMETERS,
        steps=[outward(QUERY / bytes(700)), inward(ANSWER / bytes(range(250)))],
    ),
    Case(
        "nobody reaches an inside host that has no mapping",
        parameters=PARAMETERS,
        steps=[
            Step(answered(back(ANSWER)), NO_MAPPING),
            Step(answered(back(PONG)), NO_MAPPING),
            Step(answered(back(PING)), NO_MAPPING),
            Step(answered(back(SYN_ACK)), NO_MAPPING),
        ],
    ),
    Case(
        "a mapping of one protocol is none of another",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(answered(back(TCP(sport=53, dport=4000, flags="SA"))), NO_MAPPING),
        ],
    ),
    Case(
        "UDP mappings end 300 seconds after their last packet",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            inward(ANSWER, after=299),
            inward(ANSWER, after=299),
            Step(answered(back(ANSWER)), NO_MAPPING, after=301),
        ],
    ),
    Case(
        "ping mappings end after 60 seconds",
        parameters=PARAMETERS,
        steps=[outward(PING), Step(answered(back(PONG)), NO_MAPPING, after=61)],
    ),
    Case(
        "a TCP connection that is only opening ends after 240 seconds",
        parameters=PARAMETERS,
        steps=[outward(SYN), Step(answered(back(SYN_ACK)), NO_MAPPING, after=241)],
    ),
    Case(
        "an established TCP connection lives for two hours and four minutes of silence",
        parameters=PARAMETERS,
        steps=[
            outward(SYN),
            inward(SYN_ACK),
            outward(ACK),
            inward(DATA),
            inward(DATA, after=7400),
            Step(answered(back(DATA)), NO_MAPPING, after=7441),
        ],
    ),
    Case(
        "a reset TCP connection ends after 240 seconds",
        parameters=PARAMETERS,
        steps=[
            outward(SYN),
            inward(SYN_ACK),
            outward(ACK),
            inward(DATA),
            inward(TCP(sport=80, dport=5000, flags="R")),
            Step(answered(back(DATA)), NO_MAPPING, after=241),
        ],
    ),
    Case(
        "time-outs are parameters",
        parameters=PARAMETERS | {"timeouts": {"udp": 10}},
        steps=[outward(QUERY), Step(answered(back(ANSWER)), NO_MAPPING, after=11)],
    ),
    Case(
        "when all entries are used, new mappings are refused and old ones work",
        parameters=PARAMETERS | {"max_entries": 1},
        steps=[
            outward(QUERY),
            Step(sent(out(SYN)), dropped("nf_table_full")),
            inward(ANSWER),
        ],
    ),
    Case(
        "an ICMP error about an outbound packet reaches the inside host, quote and all",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / error(out(QUERY, PUBLIC))),
                delivered(IP(src=ROUTER, dst=INSIDE) / error(out(QUERY))),
            ),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / error(cut_short(out(QUERY, PUBLIC)), 11)),
                delivered(IP(src=ROUTER, dst=INSIDE) / error(cut_short(out(QUERY)), 11)),
            ),
        ],
    ),
    Case(
        "the quote of a packet whose port was replaced shows the inside port again",
        parameters=PARAMETERS | {"ports": "3000-3000"},
        steps=[
            Step(sent(out(SYN)), translated(out(SYN_FROM_3000, PUBLIC))),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / error(out(SYN_FROM_3000, PUBLIC))),
                delivered(IP(src=ROUTER, dst=INSIDE) / error(out(SYN))),
            ),
        ],
    ),
    Case(
        "an ICMP error about a ping is translated by the ping's identifier",
        parameters=PARAMETERS,
        steps=[
            outward(PING),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / error(out(PING, PUBLIC), 11)),
                delivered(IP(src=ROUTER, dst=INSIDE) / error(out(PING), 11)),
            ),
        ],
    ),
    Case(
        "an inside host's ICMP error about an inbound packet shows the public address",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(
                sent(IP(src=INSIDE, dst=SERVER) / error(back(ANSWER, INSIDE))),
                translated(IP(src=PUBLIC, dst=SERVER) / error(back(ANSWER))),
            ),
        ],
    ),
    Case(
        "ICMP errors about unknown packets are dropped, as are those with a wrong checksum",
        parameters=PARAMETERS,
        steps=[
            Step(answered(IP(src=ROUTER, dst=PUBLIC) / error(out(QUERY, PUBLIC))), NO_MAPPING),
            outward(QUERY),
            Step(
                answered(
                    IP(src=ROUTER, dst=PUBLIC)
                    / ICMP(type=3, code=1, chksum=0x1234)
                    / out(QUERY, PUBLIC)
                ),
                dropped("nf_malformed"),
            ),
            Step(
                answered(IP(src=ROUTER, dst=PUBLIC) / ICMP(type=3, code=1) / b"too short"),
                dropped("nf_malformed"),
            ),
        ],
    ),
    Case(
        "ARP requests for a public address are answered on the port they came by",
        parameters=PARAMETERS,
        steps=[
            Step(
                bytes(
                    Ether(src=SERVER_MAC, dst="ff:ff:ff:ff:ff:ff")
                    / ARP(hwsrc=SERVER_MAC, psrc=SERVER, pdst=PUBLIC)
                ),
                sent_out(
                    5,
                    bytes(
                        Ether(src=NAT_MAC, dst=SERVER_MAC)
                        / ARP(op=2, hwsrc=NAT_MAC, psrc=PUBLIC, hwdst=SERVER_MAC, pdst=SERVER)
                    ),
                ),
                port=5,
            )
        ],
    ),
    Case(
        "the parameter mac replaces the address that is derived from the public one",
        parameters=PARAMETERS | {"mac": "02:aa:bb:cc:dd:ee"},
        steps=[
            Step(
                sent(out(QUERY)),
                passed(bytes(Ether(src="02:aa:bb:cc:dd:ee", dst=SERVER_MAC) / out(QUERY, PUBLIC))),
            )
        ],
    ),
    Case(
        "ARP for other addresses, IPv6 and strangers' packets pass untouched",
        parameters=PARAMETERS,
        steps=[
            Step(sent(ARP(psrc=INSIDE, pdst=SERVER)), passed()),
            Step(sent(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP()), passed()),
            Step(sent(IP(src="198.18.7.7", dst=SERVER) / QUERY), passed()),
        ],
    ),
    Case(
        "VLAN tags stay",
        parameters=PARAMETERS,
        steps=[
            Step(sent(Dot1Q(vlan=5) / out(QUERY)), translated(Dot1Q(vlan=5) / out(QUERY, PUBLIC)))
        ],
    ),
    Case(
        "an inside host reaches another one by its public end (hairpinning)",
        parameters=PARAMETERS,
        steps=[
            outward(QUERY),
            Step(
                sent(IP(src=SECOND, dst=PUBLIC) / HELLO, SECOND_MAC),
                sent_out(
                    3,
                    bytes(Ether(src=NAT_MAC, dst=INSIDE_MAC) / IP(src=PUBLIC, dst=INSIDE) / HELLO),
                ),
                port=3,
            ),
        ],
    ),
    Case(
        "fragments and protocols without ports cannot be translated",
        parameters=PARAMETERS,
        steps=[
            Step(sent(IP(src=INSIDE, dst=SERVER, flags="MF") / QUERY), UNSUPPORTED),
            Step(sent(IP(src=INSIDE, dst=SERVER, frag=9, proto=17) / b"rest"), UNSUPPORTED),
            Step(sent(IP(src=INSIDE, dst=SERVER, proto=47) / b"tunnel"), UNSUPPORTED),
        ],
    ),
    Case(
        "malformed packets are dropped",
        parameters=PARAMETERS,
        steps=[Step(sent(out(QUERY))[:40], dropped("nf_malformed"))],
    ),
]

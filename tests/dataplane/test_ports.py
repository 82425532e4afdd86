# SPDX-License-Identifier: BSD-3-Clause
"""Ports on real devices: what the kernel hands over comes out as frames a wire could carry."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP, in4_chksum
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from onvm_runtime.control import DataplaneError
from tests.dataplane.namespaces import Namespace, join
from tests.dataplane.plane import Plane, eventually

CLIENT = {socket.AF_INET: "198.18.0.1", socket.AF_INET6: "2001:db8::1"}
SERVER = {socket.AF_INET: "198.18.0.2", socket.AF_INET6: "2001:db8::2"}
PAYLOAD = bytes(range(251)) * 32768  # 8 MB whose pattern fits no segment
UDP_SEGMENT = 103  # socket options and flags that Python has no names for
SOL_PACKET, PACKET_VNET_HDR = 263, 15
VIRTIO_NEEDS_CSUM, VIRTIO_GSO_UDP_L4 = 1, 5
MTU = 1500


class Lab:
    """Namespaces client and server, and the data plane's own between them."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.client, self.server, self.node = map(Namespace, ("client", "server", "node"))
        self.node.sysctl("net.ipv6.conf.default.disable_ipv6", "1")  # it must say nothing itself

    def close(self) -> None:
        """Removes the namespaces."""
        for namespace in (self.client, self.server, self.node):
            namespace.close()

    def add_port(self, name: str, kind: str, peer: Namespace, mtu: int = MTU) -> None:
        """A port `name` to a namespace whose end is called eth0."""
        if kind != "tap":
            join(self.node, name, peer, "eth0")
            self.node.ip("link", "set", name, "mtu", str(mtu))
        self.open_port(name, kind, peer, mtu)

    def open_port(self, name: str, kind: str, peer: Namespace, mtu: int = MTU) -> None:
        """As add_port, on interfaces that are there already."""
        interface, netns = ("eth0", peer) if kind == "tap" else (name, self.node)
        where = {"interface": interface, "netns": netns.name}
        self.plane.request("port.add", name=name, kind=kind, mtu=mtu, **where)

    def wire(self, client_kind: str, server_kind: str, mtu: int = MTU) -> None:
        """Joins client and server by a chain of no NFs in each direction."""
        self.add_port("client", client_kind, self.client, mtu)
        self.add_port("server", server_kind, self.server, mtu)
        self.client.address("eth0", f"{CLIENT[socket.AF_INET]}/24", "2001:db8::1/64")
        self.server.address("eth0", f"{SERVER[socket.AF_INET]}/24", "2001:db8::2/64")
        self.plan_wire()

    def plan_wire(self) -> None:
        """The chains of `wire`."""
        self.plane.plan(
            [
                {"id": 1, "name": "there", "path": [], "egress": "server"},
                {"id": 2, "name": "back", "path": [], "egress": "client"},
            ],
            rules=[
                {"chain": 1, "priority": 0, "port": "client"},
                {"chain": 2, "priority": 0, "port": "server"},
            ],
        )

    def port(self, name: str) -> dict[str, Any]:
        """What the data plane says of a port."""
        ports = {p["name"]: p for p in self.plane.request("status")["ports"]}
        return dict(ports[name])

    def counters(self, name: str) -> Any:
        """A port's counters."""
        return self.plane.counters().port[self.port(name)["id"]]


@pytest.fixture
def lab(plane: Plane) -> Iterator[Lab]:
    made = Lab(plane)
    yield made
    made.close()


def transfer(source: Namespace, target: Namespace, address: str, family: int) -> bytes:
    """Sends the payload over TCP; returns what arrived."""
    arrived = bytearray()
    with target.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((address, 8000))
        listener.listen()

        def receive() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(20)
                while part := connection.recv(1 << 20):
                    arrived.extend(part)

        receiver = threading.Thread(target=receive)
        receiver.start()
        with source.socket(family, socket.SOCK_STREAM) as connection:
            connection.connect((address, 8000))
            connection.sendall(PAYLOAD)
        receiver.join()
    return bytes(arrived)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("client", "server"),
    [("af_packet", "af_packet"), ("tap", "tap"), ("af_packet", "tap"), ("af_xdp", "af_xdp")],
)
def test_tcp_passes_whatever_the_kernel_offloads(
    lab: Lab, client: str, server: str, family: int
) -> None:
    lab.wire(client, server)

    assert transfer(lab.client, lab.server, SERVER[family], family) == PAYLOAD
    assert transfer(lab.server, lab.client, CLIENT[family], family) == PAYLOAD
    for namespace in (lab.client, lab.server):
        assert namespace.statistics("Tcp")["InCsumErrors"] == 0
    for name, kind in (("client", client), ("server", server)):
        counters = lab.counters(name)
        assert (counters.rx_segmented > 0) is (kind == "af_packet")
        assert (counters.rx_checksummed > 0) is (kind != "tap")


@pytest.mark.parametrize("kind", ["af_packet", "af_xdp"])
def test_the_largest_frames_pass(lab: Lab, kind: str) -> None:
    lab.wire(kind, kind, mtu=2158)
    for namespace in (lab.client, lab.server):
        namespace.ip("link", "set", "eth0", "mtu", "2158")
    datagram = PAYLOAD[: 2158 - 20 - 8]
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((SERVER[socket.AF_INET], 9))
        with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, (SERVER[socket.AF_INET], 9))
        assert receiver.recv(4096) == datagram


@pytest.mark.parametrize("hugepages", ["required", "off"])
def test_ports_work_on_both_kinds_of_memory(
    start_plane: Callable[..., Plane], hugepages: str
) -> None:
    lab = Lab(start_plane("--buffers", "4096", "--hugepages", hugepages))
    try:
        lab.wire("af_packet", "tap")
        assert transfer(lab.client, lab.server, SERVER[socket.AF_INET], socket.AF_INET) == PAYLOAD
    finally:
        lab.close()


def record(lab: Lab, path: Path) -> None:
    """Everything that the client sends goes to a pcap file."""
    lab.add_port("client", "af_packet", lab.client)
    lab.plane.request("port.add", name="out", kind="pcap", transmit=str(path))
    lab.plane.plan([{"id": 1, "name": "tap", "path": [], "egress": "out"}], default_chain=1)


def recorded(lab: Lab, path: Path, count: int, layer: Any) -> list[Any]:
    """The frames with that layer, once `count` have come and the file is closed."""
    eventually(lambda: lab.counters("out").tx.packets >= count, f"{count} frames are recorded")
    lab.plane.plan([])
    lab.plane.request("port.remove", name="out")
    return [frame for frame in rdpcap(str(path)) if layer in frame]


def assert_correct(frame: Any) -> None:
    """Its lengths fit and its checksums are what scapy would compute."""
    network = frame[IP] if IP in frame else frame[IPv6]
    again = Ether(bytes(frame))
    for layer in (IP, TCP, UDP):
        if layer in again:
            del again[layer].chksum
    assert bytes(Ether(bytes(again))) == bytes(frame), frame.summary()
    assert len(network) <= MTU


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_datagrams_sent_in_one_piece_are_cut_and_finished(
    lab: Lab, tmp_path: Path, family: int
) -> None:
    record(lab, tmp_path / "out.pcap")
    lab.client.address("eth0", f"{CLIENT[socket.AF_INET]}/24", "2001:db8::1/64")
    lab.client.ip("neigh", "add", SERVER[family], "lladdr", "02:00:00:00:00:02", "dev", "eth0")
    with lab.client.socket(family, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1000)
        sender.sendto(PAYLOAD[:40500], (SERVER[family], 9))  # more than a burst of 32

    frames = recorded(lab, tmp_path / "out.pcap", 41, UDP)
    assert [len(frame[UDP].payload) for frame in frames] == [1000] * 40 + [500]
    assert b"".join(bytes(frame[UDP].payload) for frame in frames) == PAYLOAD[:40500]
    for frame in frames:
        assert_correct(frame)


def send_unfinished(sender: socket.socket, frame: Any, unit: int = 0) -> None:
    """Sends a tagged UDP frame as a kernel would: with a partial checksum, to be cut if `unit`."""
    whole = Ether(bytes(frame))  # with its lengths
    udp = bytes(whole[UDP])
    pseudo = in4_chksum(socket.IPPROTO_UDP, whole[IP], b"\0" * len(udp)) ^ 0xFFFF
    head = bytes(whole)[: -len(udp)]
    gso = VIRTIO_GSO_UDP_L4 if unit else 0
    header = struct.pack("<BBHHHH", VIRTIO_NEEDS_CSUM, gso, len(head) + 8, unit, len(head), 6)
    sender.send(header + head + udp[:6] + struct.pack("!H", pseudo) + udp[8:])


def test_vlan_tags_are_in_the_frame(lab: Lab, tmp_path: Path) -> None:
    record(lab, tmp_path / "out.pcap")
    tagged = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / Dot1Q(vlan=5, prio=3)
    packet = tagged / IP(src="198.18.0.1", dst="198.18.0.2") / UDP(sport=9, dport=9)
    with lab.client.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        send_unfinished(sender, packet / b"alone")
        send_unfinished(sender, packet / PAYLOAD[:3000], unit=1000)

    frames = recorded(lab, tmp_path / "out.pcap", 4, UDP)
    assert lab.counters("client").rx_segmented == 1
    assert [bytes(frame[UDP].payload) for frame in frames] == [
        b"alone",
        PAYLOAD[:1000],
        PAYLOAD[1000:2000],
        PAYLOAD[2000:3000],
    ]
    for frame in frames:
        assert (frame[Dot1Q].vlan, frame[Dot1Q].prio) == (5, 3)
        assert_correct(frame)


def test_a_port_goes_down_and_comes_back_with_its_interface(lab: Lab) -> None:
    lab.wire("af_packet", "af_packet")
    lab.client.ip("link", "set", "eth0", "down")
    eventually(lambda: not lab.port("client")["up"], "the carrier is gone")
    lab.node.ip("link", "set", "client", "down")
    lab.node.ip("link", "set", "client", "up")
    lab.client.ip("link", "set", "eth0", "up")
    eventually(lambda: lab.port("client")["up"], "the port is up again")

    family = socket.AF_INET
    assert transfer(lab.client, lab.server, SERVER[family], family) == PAYLOAD


@pytest.mark.parametrize("kind", ["af_packet", "tap", "af_xdp"])
def test_a_port_survives_the_end_of_its_interface(lab: Lab, kind: str) -> None:
    lab.wire(kind, "af_packet")
    lab.client.ip("link", "del", "eth0")
    eventually(lambda: not lab.port("client")["up"], "the interface is gone")
    lab.plane.plan([])
    lab.plane.request("port.remove", name="client")

    lab.add_port("client", kind, lab.client)
    assert lab.port("client")["up"]


@pytest.mark.parametrize("kind", ["af_packet", "tap", "af_xdp"])
def test_ports_open_again_after_a_crash(lab: Lab, kind: str) -> None:
    if kind == "tap":  # a tap lasts as long as the data plane, unless it was made beforehand
        for namespace in (lab.client, lab.server):
            namespace.ip("tuntap", "add", "eth0", "mode", "tap", "multi_queue")
    lab.wire(kind, kind)
    lab.plane.kill()

    lab.plane.start()
    lab.open_port("client", kind, lab.client)
    lab.open_port("server", kind, lab.server)
    lab.plan_wire()
    family = socket.AF_INET
    assert transfer(lab.client, lab.server, SERVER[family], family) == PAYLOAD


def descriptors(pid: int) -> Iterator[str]:
    """What a process has open, without numbers; some may be closed while this looks."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield re.sub(r"\d+", "", str(descriptor.readlink()))


@pytest.mark.parametrize("kind", ["af_packet", "tap", "af_xdp", "null"])
def test_opening_and_closing_leaves_nothing_behind(lab: Lab, kind: str) -> None:
    def resources() -> tuple[list[str], int]:
        kinds = descriptors(lab.plane.process.pid)
        texts = "/memfd:onvm-text (deleted)"  # of the answer that is on its way
        free: int = lab.plane.request("status")["buffers"]["free"]
        return sorted(kind for kind in kinds if kind != texts), free

    wishes = {
        "af_packet": {"interface": "port", "netns": lab.node.name},
        "af_xdp": {"interface": "port", "netns": lab.node.name},
        "tap": {"interface": "port", "netns": lab.client.name},
        "null": {},
    }[kind]
    if kind in ("af_packet", "af_xdp"):
        join(lab.node, "port", lab.client, "eth0")
    seen = []
    for _ in range(20):
        lab.plane.request("port.add", name="p", kind=kind, **wishes)
        lab.plane.request("port.remove", name="p")
        seen.append(resources())
    assert seen[-1] == seen[1], seen


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"kind": "null", "name": "a b"}, "name"),
        ({"kind": "null", "name": "a" * 32}, "name"),
        ({"name": "p"}, "kind: is missing; there are pci, af_xdp"),
        ({"name": "p", "kind": "wifi"}, 'kind: there is no "wifi"'),
        ({"name": "p", "kind": "null", "speed": 1}, "speed: a port of kind null has no such key"),
        ({"name": "p", "kind": "null", "netns": "x"}, "netns: a port of kind null has no such"),
        ({"name": "p", "kind": "null", "size": 13}, "size: must be a frame's length"),
        ({"name": "p", "kind": "null", "mtu": "big"}, "mtu: must be a whole number"),
        ({"name": "p", "kind": "null", "mtu": 17391}, "mtu: must be from 68 to 17390, which"),
        ({"name": "p", "kind": "null", "size": 2177}, "size: a frame of a null port must fit"),
        ({"name": "p", "kind": "af_packet"}, "interface: is missing; a port of kind af_packet"),
        ({"name": "p", "kind": "tap", "interface": "a,b"}, 'interface: "a,b" has a comma'),
        ({"name": "p", "kind": "tap", "interface": "i" * 16}, "is no name of a network interface"),
        ({"name": "p", "kind": "tap", "interface": 5}, "interface: must be a text"),
        ({"name": "p", "kind": "af_packet", "interface": "nosuch"}, "cannot find nosuch"),
        ({"name": "p", "kind": "af_xdp", "interface": "nosuch"}, "cannot find nosuch"),
        ({"name": "p", "kind": "tap", "interface": "t", "netns": "nosuch"}, "ip netns add"),
        ({"name": "p", "kind": "tap", "interface": "t", "netns": "../x"}, "netns: must be a name"),
        ({"name": "p", "kind": "pcap", "receive": "/nosuch"}, "is the file to receive a pcap"),
        ({"name": "p", "kind": "pcap"}, "needs a file to receive or transmit"),
        ({"name": "p", "kind": "pcap", "loop": 1}, "loop: must be true or false"),
        ({"name": "p", "kind": "pci", "address": "0000:ff:1f.7"}, "is that device there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_request_is_refused_with_its_reason_and_leaves_nothing(
    plane: Plane, request_: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataplaneError, match=reason):
        plane.request("port.add", **request_)

    assert plane.request("status")["ports"] == []
    plane.request("port.add", name="p", kind="null")


def test_an_interface_with_too_small_an_mtu_is_refused(lab: Lab) -> None:
    join(lab.node, "port", lab.client, "eth0")
    lab.node.ip("link", "set", "port", "mtu", "1400")
    for kind in ("af_packet", "af_xdp"):
        with pytest.raises(DataplaneError, match="ip link set port mtu 1500"):
            lab.plane.request(
                "port.add", name="p", kind=kind, interface="port", netns=lab.node.name
            )


def test_frames_of_impossible_size_are_dropped_and_counted(plane: Plane, tmp_path: Path) -> None:
    frames = [Raw(b"\2" * size) for size in (13, 14, 1518, 1519, 3000)]
    wrpcap(str(tmp_path / "in.pcap"), frames, linktype=1)
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"))

    counters = plane.counters()
    eventually(lambda: counters.port[0].rx.packets == 2, "two of five can pass")
    assert counters.port[0].rx.bytes == 14 + 1518
    assert counters.port[0].rx_errors == 3


def test_a_pcap_file_can_be_played_in_a_loop(plane: Plane, tmp_path: Path) -> None:
    wrpcap(str(tmp_path / "in.pcap"), [Raw(b"\2" * 60)] * 10, linktype=1)
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"), loop=True)

    counters = plane.counters()
    eventually(lambda: counters.port[0].rx.packets > 1000, "it starts again and again")


def test_nobody_looks_at_a_port_whose_file_was_played(plane: Plane, tmp_path: Path) -> None:
    wrpcap(str(tmp_path / "in.pcap"), [Raw(b"\2" * 60)] * 1000, linktype=1)
    plane.request(
        "port.add", name="looping", kind="pcap", receive=str(tmp_path / "in.pcap"), loop=True
    )
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"))
    plane.request("port.add", name="out", kind="pcap", transmit=str(tmp_path / "out.pcap"))
    counters = plane.counters()
    eventually(lambda: counters.port[1].rx.packets == 1000, "it is played")

    eventually(lambda: polled(plane) == {"looping"}, "two have nothing more to give")
    plane.request("port.remove", name="looping")
    before = counters.sleeps
    time.sleep(2)
    assert counters.sleeps - before < 100, "it sleeps until it is woken, or for a tenth of a second"


def polled(plane: Plane) -> set[str]:
    return {port["name"] for port in plane.request("status")["ports"] if port["polled"]}


def test_a_null_port_receives_frames_of_the_size_that_was_asked_for(plane: Plane) -> None:
    plane.request("port.add", name="null", kind="null", size=128)

    rx = plane.counters().port[0].rx
    eventually(lambda: rx.packets > 1000, "it never ends")
    plane.request("port.remove", name="null")
    assert rx.bytes == rx.packets * 128

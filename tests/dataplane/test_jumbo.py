# SPDX-License-Identifier: BSD-3-Clause
"""Frames of several buffers: from port to port and through NFs, byte for byte."""

from __future__ import annotations

import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.utils import rdpcap

from onvm_runtime.control import DataplaneError
from tests.dataplane.namespaces import join
from tests.dataplane.plane import HOSTILE, Plane, eventually
from tests.dataplane.test_crash import dropped
from tests.dataplane.test_path import CHAIN, run_capture, sent_by, write_capture
from tests.dataplane.test_ports import CLIENT, PAYLOAD, SERVER, Lab, transfer

JUMBO = 9000
DATAGRAM = PAYLOAD[: JUMBO - 28]
PUBLIC = "198.18.0.3"
IPV4 = socket.AF_INET
NAT = {"inside": ["198.18.0.1/32"], "addresses": [PUBLIC]}
FLOWS = 31  # of a flood, so that every worker has some
SINK = "02:00:00:00:00:09"


@pytest.fixture(params=["0", "0,1"], ids=["one worker", "two workers"])
def plane(request: pytest.FixtureRequest, start_plane: Callable[..., Plane]) -> Plane:
    """A data plane with 4096 buffers for each worker."""
    cores: str = request.param
    return start_plane("--cores", cores, "--buffers", str(4096 * (cores.count(",") + 1)))


@pytest.fixture
def lab(plane: Plane) -> Iterator[Lab]:
    made = Lab(plane)
    yield made
    made.close()


def wire(lab: Lab, there: list[str], back: list[str]) -> None:
    """Client and server with jumbo frames on both sides, and services between them."""
    lab.wire("af_packet", "af_packet", mtu=JUMBO)
    for namespace in (lab.client, lab.server):
        namespace.ip("link", "set", "eth0", "mtu", str(JUMBO))
    lab.plane.plan(
        [
            {"id": 3, "name": "there", "path": there, "egress": "server", "reverse": 4},
            {"id": 4, "name": "back", "path": back, "egress": "client"},
        ],
        rules=[
            {"chain": 3, "priority": 0, "port": "client"},
            {"chain": 4, "priority": 0, "port": "server"},
        ],
    )


def wire_nat(lab: Lab) -> None:
    """As `wire`, with a firewall and a NAT that hides the client."""
    rules = [{"protocol": "udp", "verdict": "accept"}, {"protocol": "tcp", "verdict": "accept"}]
    lab.plane.start_nf("fw-1", "firewall", service="fw", parameters={"rules": rules})
    lab.plane.start_nf("nat-1", "nat", service="nat", parameters=NAT)
    wire(lab, ["fw", "nat"], ["nat", "fw"])


def echo(lab: Lab, server: str, datagram: bytes) -> tuple[str, bytes]:
    """Sends a datagram and has it answered; returns whom the server saw, and the answer."""
    with lab.server.socket(IPV4, socket.SOCK_DGRAM) as far:
        far.bind((server, 9))
        with lab.client.socket(IPV4, socket.SOCK_DGRAM) as near:
            near.sendto(datagram, (server, 9))
            arrived, peer = far.recvfrom(65536)
            assert arrived == datagram
            far.sendto(arrived, peer)
            return peer[0], near.recv(65536)


def ping(lab: Lab, data: bytes) -> None:
    """An ICMP echo of the client that the server's kernel answers, checksum and all."""
    with lab.client.socket(IPV4, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(bytes(ICMP(id=7, seq=1) / data), (SERVER[IPV4], 0))
        answer = IP(raw.recv(65536))
    assert (answer[ICMP].type, answer[ICMP].id, bytes(answer[ICMP].payload)) == (0, 7, data)


def test_jumbo_frames_pass_a_firewall_and_a_nat_both_ways(lab: Lab) -> None:
    wire_nat(lab)
    ping(lab, PAYLOAD[:8900])
    for size in (1, 2134, 2135, 4310, len(DATAGRAM)):  # at the ends of buffers, too
        assert echo(lab, SERVER[IPV4], DATAGRAM[:size]) == (PUBLIC, DATAGRAM[:size])
    assert transfer(lab.client, lab.server, SERVER[IPV4], IPV4) == PAYLOAD
    for namespace in (lab.client, lab.server):
        assert namespace.statistics("Tcp")["InCsumErrors"] == 0
        assert namespace.statistics("Udp")["InCsumErrors"] == 0
    assert lab.counters("client").rx_segmented > 0, "64 KB were cut into frames of 9,000 bytes"
    assert set(dropped(lab.plane)) <= {"no_chain"}, "none, but for what came before the plan"
    eventually(lambda: lab.plane.buffers_out() == 0, "every buffer is back")


def test_tagged_jumbo_frames_keep_their_tags(lab: Lab, tmp_path: Path) -> None:
    """The kernel takes the outer tag out of what it gives a packet socket."""
    lab.plane.start_nf("a-1", service="a")
    lab.add_port("client", "af_packet", lab.client, JUMBO)
    lab.client.ip("link", "set", "eth0", "mtu", str(JUMBO))
    out = str(tmp_path / "out.pcap")
    lab.plane.request("port.add", name="out", kind="pcap", transmit=out, mtu=JUMBO)
    lab.plane.plan([{**CHAIN, "path": ["a"]}], default_chain=1)
    head = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packet = IP(src="198.18.0.1", dst="198.18.0.2") / UDP(sport=9, dport=9)
    frames = [
        bytes(head / tags / packet / PAYLOAD[: JUMBO - 36])
        for tags in (Dot1Q(vlan=5, prio=3), Dot1AD(vlan=6) / Dot1Q(vlan=5))
    ]

    with lab.client.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        for frame in frames:
            sender.send(frame)
    eventually(lambda: sent_by(lab.plane) >= 2, "both leave")
    lab.plane.plan([])
    lab.plane.request("port.remove", name="out")

    recorded = [bytes(frame) for frame in rdpcap(out)]
    assert [frame for frame in recorded if len(frame) > 8000] == frames


def jumbo_frame(number: int, size: int) -> Any:
    """A frame of `size` bytes whose contents tell it from others; odd ones are tagged."""
    chosen = random.Random(number)
    head = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    if number % 2:
        head = head / Dot1Q(vlan=5)
    head = head / IP(src="198.18.0.1", dst="198.18.0.2") / UDP(sport=number + 1, dport=53)
    return head / chosen.randbytes(size - len(head))


def test_frames_of_all_sizes_pass_unchanged_and_in_order(plane: Plane, tmp_path: Path) -> None:
    path = ["fw", "monitor", "forward"]
    programs = {"fw": "firewall", "monitor": "flow_monitor", "forward": "forward"}
    for service in path:
        plane.start_nf(f"{service}-1", programs[service], service=service)
    chosen = random.Random(1)
    sizes = [60, 2176, 2177, 4352, 4353, 9018] + [chosen.randint(60, 9018) for _ in range(300)]
    frames = [jumbo_frame(number, size) for number, size in enumerate(sizes)]

    out = run_capture(plane, tmp_path, frames, path, mtu=JUMBO)

    assert out == [bytes(frame) for frame in frames]
    count = plane.counters().chain[1].out
    assert (count.packets, count.bytes) == (len(frames), sum(sizes))
    nf = plane.loop.run_until_complete(plane.control.nf_counters("monitor-1"))
    assert nf.counters.hop[1][1].bytes == sum(sizes)
    assert dropped(plane) == {}


def test_a_port_of_a_smaller_mtu_gets_what_fits(plane: Plane, tmp_path: Path) -> None:
    capture = tmp_path / "in.pcap"
    write_capture(capture, [jumbo_frame(size, size) for size in (60, 1518, 1519, 9018)])
    plane.start_nf("a-1", service="a")
    plane.request("port.add", name="out", kind="pcap", transmit=str(tmp_path / "out.pcap"))
    plane.plan([{**CHAIN, "path": ["a"]}], default_chain=1)

    plane.request("port.add", name="in", kind="pcap", receive=str(capture), mtu=JUMBO)

    eventually(lambda: dropped(plane) == {"oversize": 2}, "two are too long")
    assert sent_by(plane) == 2
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")


class Flood:
    """Jumbo datagrams of some flows to a node's port, as many as a thread can send."""

    def __init__(self, lab: Lab) -> None:
        lab.client.ip("neigh", "add", SERVER[IPV4], "lladdr", SINK, "dev", "eth0")
        self.sockets = [lab.client.socket(IPV4, socket.SOCK_DGRAM) for _ in range(FLOWS)]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def send(self) -> None:
        """Mixes sizes, so that runs and single buffers alternate."""
        number = 0
        while not self.ended.is_set():
            number += 1
            datagram = DATAGRAM[: 1 + number * 977 % len(DATAGRAM)]
            self.sockets[number % FLOWS].sendto(datagram, (SERVER[IPV4], 9))

    def close(self) -> None:
        """Ends the flood."""
        self.ended.set()
        self.thread.join()
        for one in self.sockets:
            one.close()


@pytest.fixture
def flood(lab: Lab) -> Iterator[Flood]:
    """A flood from the client into the port `client`; a port `out` that swallows all."""
    lab.add_port("client", "af_packet", lab.client, JUMBO)
    lab.client.ip("link", "set", "eth0", "mtu", str(JUMBO))
    lab.client.address("eth0", f"{CLIENT[IPV4]}/24")
    lab.plane.request("port.add", name="out", kind="null", mtu=JUMBO)
    made = Flood(lab)
    yield made
    made.close()


def settle(plane: Plane, flood: Flood) -> None:
    """Ends the traffic, in which every worker had a part; every buffer must be back."""
    flood.close()
    assert all(worker.port[0].rx.packets > 0 for worker in plane.workers())
    plane.plan([])
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")
    for port in ("client", "out"):
        plane.request("port.remove", name=port)
    buffers = plane.request("status")["buffers"]
    assert buffers["free"] == buffers["total"]


def test_kills_among_jumbo_frames_leak_no_buffer(lab: Lab, flood: Flood) -> None:
    plane = lab.plane
    for service in ("a", "b", "c"):
        plane.start_nf(f"{service}-1", service=service)
    plane.plan([{**CHAIN, "path": ["a", "b", "c"]}], default_chain=1)

    for _ in range(10):
        before = sent_by(plane)
        eventually(lambda before=before: sent_by(plane) > before + 100, "traffic flows")
        plane.kill_nf("b-1")
        plane.start_nf("b-1", service="b")

    settle(plane, flood)


def test_a_stopped_nf_among_jumbo_frames_sheds_them_at_ingress(lab: Lab, flood: Flood) -> None:
    plane = lab.plane
    for service in ("a", "b", "c"):
        plane.start_nf(f"{service}-1", service=service)
    plane.plan([{**CHAIN, "path": ["a", "b", "c"]}], default_chain=1)
    eventually(lambda: sent_by(plane) > 100, "traffic flows")

    plane.nfs["c-1"].send_signal(signal.SIGSTOP)
    eventually(lambda: dropped(plane).get("backpressure", 0) > 1000, "the chain is shed")
    before = sent_by(plane)
    plane.nfs["c-1"].send_signal(signal.SIGCONT)
    eventually(lambda: sent_by(plane) > before + 1000, "traffic flows again")
    assert set(dropped(plane)) <= {"backpressure", "no_chain"}, "nothing ends behind ingress"

    settle(plane, flood)


def test_runs_that_are_no_packets_are_counted_and_leak_nothing(lab: Lab, flood: Flood) -> None:
    plane = lab.plane
    plane.start_nf("after-1", service="after")
    plane.expect("bad-1", "bad")
    plane.run_nf("bad-1", HOSTILE, "runs=4000")
    eventually(lambda: plane.nf_state("bad-1") == "running", "the hostile NF is let in")
    plane.plan([{**CHAIN, "path": ["bad", "after"]}], default_chain=1)

    log = plane.run_dir / "bad-1.log"
    eventually(lambda: "done" in log.read_text(), "all runs were posted", 30)
    counts = dropped(plane)
    assert counts["bad_run"] > 100
    assert counts["bad_bounds"] > 100
    assert counts["bad_owner"] > 100, "one buffer twice in a run"
    faults = sum(nf.faults for nf in plane.counters().nf)
    assert faults > 1000
    plane.kill_nf("bad-1")
    settle(plane, flood)


def test_a_port_that_takes_one_buffer_only_says_what_to_do(lab: Lab) -> None:
    join(lab.node, "port", lab.client, "eth0")
    lab.node.ip("link", "set", "port", "mtu", str(JUMBO))
    with pytest.raises(DataplaneError, match=r"driver net_af_xdp does not take; set mtu: 2158"):
        lab.plane.request(
            "port.add", name="p", kind="af_xdp", interface="port", netns=lab.node.name, mtu=JUMBO
        )
    assert lab.plane.request("status")["ports"] == []

# SPDX-License-Identifier: BSD-3-Clause
"""PCI ports on emulated NICs: frames cross a NIC's DMA into the packet region, an NF, and another
NIC's DMA out of it.

With vfio-pci the IOMMU translates (39 bits, IOVA is VA), with uio_pci_generic nothing does (PA).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.lab.conftest import Lab
from tests.lab.machine import Machine, Nic, QueueNic
from tests.lab.remote import RemotePlane, bind
from tests.lab.wire import Wire

LEFT, RIGHT = "52:54:00:00:11:00", "52:54:00:00:11:01"
PAGES = 160
SECONDS = 20.0  # for one frame; reached only when it is lost
CHAINS = [
    {"id": 1, "name": "there", "path": ["forward"], "egress": "right"},
    {"id": 2, "name": "back", "path": ["forward"], "egress": "left"},
]
RULES = [
    {"chain": 1, "priority": 0, "port": "left"},
    {"chain": 2, "priority": 0, "port": "right"},
]


@dataclass
class Bench:
    """One guest with two NICs, and the other ends of their cables."""

    machine: Machine
    left: Wire
    right: Wire

    @property
    def nics(self) -> Sequence[Nic | QueueNic]:
        return self.machine.nics


def plug(model: str, slot: int, mac: str) -> tuple[Nic, Wire]:
    wire = Wire()
    return Nic(model, slot, mac, wire.nic_port, wire.port), wire


@pytest.fixture(scope="module")
def bench(lab: Lab) -> Bench:
    """An e1000 on the left and a virtio NIC on the right."""
    left, left_wire = plug("e1000", 16, LEFT)
    right, right_wire = plug("virtio-net-pci", 17, RIGHT)
    machine = lab.machine("pci", [left, right], share=lab.checkout)
    lab.timed("boot", machine.wait)
    machine.ssh(f"echo {PAGES} >/proc/sys/vm/nr_hugepages")
    return Bench(machine, left_wire, right_wire)


@pytest.fixture(scope="module", params=["vfio-pci", "uio_pci_generic"])
def bound(request, lab: Lab, bench: Bench) -> Bench:
    """The guest with its NICs bound to a driver."""
    lab.timed(f"bind {request.param}", lambda: bind(bench.machine, request.param))
    return bench


@pytest.fixture(scope="module")
def plane(bound: Bench) -> Iterator[RemotePlane]:
    """A data plane with both NICs as ports, joined by an NF."""
    options = [word for nic in bound.nics for word in ("--pci", nic.address)]
    plane = RemotePlane(bound.machine, "--buffers", "4096", *options)
    open_ports(plane, bound)
    plane.call("start_forward")
    plane.call("plan", CHAINS, RULES)
    yield plane
    plane.close()


def open_ports(plane: RemotePlane, bench: Bench, mtu: int = 1500) -> None:
    for name, nic in zip(("left", "right"), bench.nics, strict=True):
        plane.request("port.add", name=name, kind="pci", address=nic.address, mtu=mtu)
    plane.call("wait_up", "left", "right")
    for wire in (bench.left, bench.right):
        wire.drain()


def pattern(length: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(length))


def frame(*layers: Packet, length: int) -> bytes:
    packet = Ether(dst=RIGHT, src="52:54:00:00:22:00")
    for layer in layers:
        packet /= layer
    head = len(bytes(packet))
    return bytes(packet / Raw(pattern(length - head)))


FLOW = (IP(src="198.18.0.1", dst="198.18.0.2"), UDP(sport=4000, dport=4001))
FLOW6 = (IPv6(src="2001:db8::1", dst="2001:db8::2"), UDP(sport=4000, dport=4001))
FRAMES = {
    "the shortest": frame(*FLOW, length=60),
    "128 bytes": frame(*FLOW, length=128),
    "the longest": frame(*FLOW, length=1514),
    "IPv6": frame(*FLOW6, length=777),
    "a VLAN tag": frame(Dot1Q(vlan=7), *FLOW, length=200),
    "the longest with a VLAN tag": frame(Dot1Q(vlan=4094), *FLOW, length=1518),
    "two VLAN tags": frame(Dot1AD(vlan=9), Dot1Q(vlan=7), *FLOW, length=300),
}
JUMBO = 9000
JUMBO_FRAMES = {
    "one buffer": frame(*FLOW, length=200),
    "two buffers": frame(*FLOW, length=2400),
    "the longest": frame(*FLOW, length=JUMBO + 14),
    "the longest with a VLAN tag": frame(Dot1Q(vlan=5), *FLOW, length=JUMBO + 18),
}
FEW_MAPPINGS = 32  # of 2 MB each: more than DPDK's own memory takes, fewer than MANY_BUFFERS do
MANY_BUFFERS = "32768"
LIMIT = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"


def test_a_region_that_a_device_cannot_reach_is_refused(bench):
    """Such a device would lose packets, or deliver stale memory, in silence."""
    bind(bench.machine, "vfio-pci")
    before = bench.machine.ssh(f"cat {LIMIT}; echo {FEW_MAPPINGS} >{LIMIT}").stdout.strip()
    nic = bench.nics[0].address
    plane = RemotePlane(bench.machine, "--buffers", MANY_BUFFERS, "--pci", nic)
    try:
        plane.request("port.add", name="virtual", kind="null")  # it needs no mapping
        with pytest.raises(AssertionError, match=r"by DMA: page \d+ of \d+ was not mapped"):
            plane.request("port.add", name="left", kind="pci", address=nic)
        assert [port["name"] for port in plane.request("status")["ports"]] == ["virtual"]
    finally:
        bench.machine.ssh(f"echo {before} >{LIMIT}")
        plane.close()


def test_a_node_sleeps_until_its_nic_interrupts(bench):
    """The virtio NIC has interrupts for its queues; the e1000 has none, and is polled."""
    bind(bench.machine, "vfio-pci")
    options = [word for nic in bench.nics for word in ("--pci", nic.address)]
    plane = RemotePlane(bench.machine, "--buffers", "4096", *options)
    try:
        open_ports(plane, bench)
        polled = {port["name"]: port["polled"] for port in plane.request("status")["ports"]}
        assert polled == {"left": True, "right": False}
        plane.request("port.remove", name="left")
        plane.call("start_forward")
        plane.call("plan", [CHAINS[0]], [{**RULES[1], "chain": 1}])
        for _ in range(5):
            assert plane.call("sleeps_in", 3) < 100, "not each millisecond or two"
            bench.right.send(FRAMES["128 bytes"])
            assert bench.right.receive(SECONDS) == FRAMES["128 bytes"]
    finally:
        plane.close()


@pytest.mark.parametrize("sent", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("way", ["there", "back"])
@pytest.mark.usefixtures("plane")
def test_a_frame_passes_unchanged(bench, way, sent):
    here, there = (bench.left, bench.right) if way == "there" else (bench.right, bench.left)
    here.send(sent)
    assert there.receive(SECONDS) == sent


def test_of_many_frames_none_is_changed_and_no_buffer_is_lost(bench, plane):
    sent = [frame(*FLOW, length=60 + number % 1400) for number in range(3000)]
    received: list[bytes] = []
    for begin in range(0, len(sent), 100):
        for one in sent[begin : begin + 100]:
            bench.left.send(one)
        received += bench.right.collect(100, 3)
    assert set(received) <= set(sent)
    assert len(received) > len(sent) * 0.9  # the cable is UDP
    plane.call("wait_idle")


def test_jumbo_frames_pass_in_several_buffers(bench, plane):
    reopen(plane, bench, JUMBO)
    for here, there in ((bench.left, bench.right), (bench.right, bench.left)):
        for name, sent in JUMBO_FRAMES.items():
            here.send(sent)
            assert there.receive(SECONDS) == sent, name
    plane.call("wait_idle")
    reopen(plane, bench)


def test_dropped_frames_give_their_buffers_back(bench, plane):
    """These drivers clear the flag that says whose memory a buffer is."""
    plane.call("plan", [])
    before = plane.request("status")["buffers"]["free"]
    for _ in range(30):
        for _ in range(100):
            bench.left.send(FRAMES["128 bytes"])
        bench.right.collect(1, 0.1)
    assert plane.call("received", 0)[0] > 2000
    plane.call("wait_idle")
    assert plane.request("status")["buffers"]["free"] == before
    plane.call("plan", CHAINS, RULES)


def test_ports_come_and_go_without_a_buffer_lost(bench, plane):
    plane.call("plan", [])
    free = []
    for _ in range(3):
        exchange(plane, bench)
        free.append(plane.request("status")["buffers"]["free"])
    assert free[1:] == free[:-1]
    plane.call("plan", CHAINS, RULES)
    bench.left.send(FRAMES["128 bytes"])
    assert bench.right.receive(SECONDS) == FRAMES["128 bytes"]


def reopen(plane: RemotePlane, bench: Bench, mtu: int = 1500) -> None:
    """Open both ports anew, with chains between them."""
    plane.call("plan", [])
    exchange(plane, bench, mtu)
    plane.call("plan", CHAINS, RULES)


def exchange(plane: RemotePlane, bench: Bench, mtu: int = 1500) -> None:
    """Open both ports anew; those that sent have buffers in their transmit queues until then."""
    for name in ("left", "right"):
        plane.request("port.remove", name=name)
    open_ports(plane, bench, mtu)

# SPDX-License-Identifier: BSD-3-Clause
"""PCI ports on emulated NICs: frames cross a NIC's DMA into the packet region, an NF, and another
NIC's DMA out of it.

With vfio-pci the IOMMU translates (39 bits, IOVA is VA), with uio_pci_generic nothing does (PA).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.lab.conftest import Lab
from tests.lab.machine import Machine, Nic
from tests.lab.remote import RemotePlane
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
BIND = """
cd /mnt/roles/nic_binding/module_utils && python3 -B -c '
import onvm_nics as n
wish = n.Wish(({nics}), "{driver}")
n.Binder().apply(n.plan(wish, {{}}, n.protected(), n.available()))'
"""


@dataclass
class Bench:
    """One guest with two NICs, and the other ends of their cables."""

    machine: Machine
    left: Wire
    right: Wire

    @property
    def nics(self) -> list[Nic]:
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
    names = ", ".join(f'"{nic.address}"' for nic in bench.nics)
    bind = BIND.format(nics=names, driver=request.param)
    lab.timed(f"bind {request.param}", lambda: bench.machine.ssh(bind))
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
}


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


def test_ports_come_and_go_without_a_buffer_lost(bench, plane):
    plane.call("plan", [])
    free = [free_after_reopening(plane, bench) for _ in range(3)]
    assert free[1:] == free[:-1]
    plane.call("plan", CHAINS, RULES)
    bench.left.send(FRAMES["128 bytes"])
    assert bench.right.receive(SECONDS) == FRAMES["128 bytes"]


def free_after_reopening(plane: RemotePlane, bench: Bench) -> int:
    """Buffers that no NIC has; those of a port that sent are still in its transmit queue."""
    for name in ("left", "right"):
        plane.request("port.remove", name=name)
    open_ports(plane, bench)
    free: int = plane.request("status")["buffers"]["free"]
    return free

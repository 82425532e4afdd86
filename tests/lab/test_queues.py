# SPDX-License-Identifier: BSD-3-Clause
"""Four workers on two NUMA nodes, and NICs with a queue for each and RSS over them.

The guest's machine has the nodes (QEMU's -numa), not a faked table. The NICs are virtio ones, whose
RSS QEMU computes with the key that the driver sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.lab.conftest import Lab
from tests.lab.machine import Machine, QueueNic
from tests.lab.remote import RemotePlane, bind
from tests.lab.tap import Tap

WORKERS = 4
PAGES = 256
SECONDS = 20.0  # for one frame; reached only when it is lost
FLOWS = 24
LEFT, RIGHT = "52:54:00:00:21:00", "52:54:00:00:21:01"
CHAINS = [{"id": 1, "name": "there", "path": ["forward"], "egress": "right"}]
RULES = [{"chain": 1, "priority": 0, "port": "left"}]


@dataclass
class Bench:
    """A guest with a data plane, and the ends of its cables."""

    plane: RemotePlane
    left: Tap
    right: Tap


@pytest.fixture(scope="module")
def bench(lab: Lab) -> Iterator[Bench]:
    left, right = Tap("left", WORKERS), Tap("right", WORKERS)
    nics = [QueueNic(16, LEFT, tuple(left.queues)), QueueNic(17, RIGHT, tuple(right.queues))]
    machine = lab.machine(
        "queues", nics, share=lab.checkout, cpus=WORKERS, numa_nodes=2, memory=2048
    )
    lab.timed("boot", machine.wait)
    plane = start_plane(machine)
    yield Bench(plane, left, right)
    plane.close()
    left.close()
    right.close()


def start_plane(machine: Machine) -> RemotePlane:
    """A data plane with a worker on each CPU, both NICs as ports, and an NF between them."""
    machine.ssh(f"echo {PAGES} >/proc/sys/vm/nr_hugepages")
    addresses = [nic.address for nic in machine.nics]
    bind(machine, "vfio-pci")
    options = [word for address in addresses for word in ("--pci", address)]
    cores = ",".join(map(str, range(WORKERS)))
    plane = RemotePlane(machine, "--buffers", "32768", "--cores", cores, *options)
    for name, address in zip(("left", "right"), addresses, strict=True):
        plane.request("port.add", name=name, kind="pci", address=address)
    plane.call("wait_up", "left", "right")
    plane.call("start_forward")
    plane.call("plan", CHAINS, RULES)
    return plane


def frame(number: int, *, back: bool = False) -> bytes:
    """A packet of one of many flows, there or back: TCP, UDP, IPv4 and IPv6 in turns."""
    transport = TCP if number % 2 else UDP
    ports = 4000 + number, 80
    addresses = (
        (f"2001:db8::{number + 1:x}", "2001:db8:1::1")
        if number % 3 == 0
        else (f"198.18.0.{number + 1}", "198.18.1.1")
    )
    if back:
        ports, addresses = ports[::-1], addresses[::-1]
    network: Packet = (IPv6 if number % 3 == 0 else IP)(src=addresses[0], dst=addresses[1])
    head = Ether(dst=LEFT, src="52:54:00:00:22:00") / network
    return bytes(head / transport(sport=ports[0], dport=ports[1]) / Raw(b"payload " * 8))


def receiver(bench: Bench, sent: bytes) -> int:
    """Send a frame through the chain and return which worker received it."""
    before = bench.plane.call("received", 0)
    bench.left.send(sent)
    assert bench.right.receive(SECONDS) == sent
    after = bench.plane.call("received", 0)
    grown = [number for number in range(WORKERS) if after[number] > before[number]]
    assert len(grown) == 1
    return grown[0]


def test_each_worker_has_buffers_on_its_own_node(bench):
    status = bench.plane.request("status")
    assert [worker["socket"] for worker in status["workers"]] == [0, 0, 1, 1]
    pages = bench.plane.call("region_pages")
    assert [list(slice_) for slice_ in pages] == [["N0"], ["N0"], ["N1"], ["N1"]]


def test_rss_spreads_flows_and_keeps_both_directions_together(bench):
    there = [receiver(bench, frame(number)) for number in range(FLOWS)]
    back = [receiver(bench, frame(number, back=True)) for number in range(FLOWS)]
    assert there == back
    assert len(set(there)) > 2


def test_all_buffers_come_back_to_their_workers(bench):
    bench.plane.call("wait_idle")
    assert bench.plane.call("faults") == 0

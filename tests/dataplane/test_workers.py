# SPDX-License-Identifier: BSD-3-Clause
"""Two workers: both move packets, what each has is its own, and together they are one node."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import wrpcap

from tests.bench.processes import cpu_nanoseconds
from tests.dataplane.namespaces import Namespace
from tests.dataplane.plane import HOSTILE, Plane, eventually
from tests.dataplane.test_crash import dropped, load, settle
from tests.dataplane.test_path import CHAIN, frame, sent_by
from tests.dataplane.test_ports import CLIENT, PAYLOAD, SERVER, Lab, transfer

CPUS = sorted(os.sched_getaffinity(0))[:2]
FLOWS = 32
REQUESTS = 4  # of each flow
PUBLIC = "198.18.0.100"
PUBLIC_MAC = "02:00:c6:12:00:64"


@pytest.fixture
def plane(start_plane: Callable[..., Plane]) -> Plane:
    """A data plane with a worker on each of two CPUs."""
    return start_plane("--buffers", "8192", "--cores", ",".join(map(str, CPUS)))


@pytest.fixture
def lab(plane: Plane) -> Iterator[Lab]:
    made = Lab(plane)
    yield made
    made.close()


def both(plane: Plane, count: Callable[[Any], int]) -> bool:
    """Whether a counter of each worker has begun to count."""
    return all(count(worker) > 0 for worker in plane.workers())


def start_chain(plane: Plane, *services: str) -> None:
    for service in services:
        plane.start_nf(f"{service}-1", service=service)
    load(plane, list(services))


def test_both_move_packets_and_the_node_is_their_sum(plane: Plane) -> None:
    start_chain(plane, "a", "b")
    eventually(lambda: both(plane, lambda worker: worker.port[0].rx.packets), "both receive")
    eventually(lambda: both(plane, lambda worker: worker.port[1].tx.packets), "both send")
    own = plane.loop.run_until_complete(plane.control.nf_counters("a-1")).counters
    settle(plane)

    chain, nf = plane.counters().chain[1], plane.counters().nf[0]
    assert getattr(chain, "in").packets == chain.out.packets + chain.dropped
    assert (nf.given, nf.faults) == (own.rx.packets, 0)
    assert set(dropped(plane)) <= {"edge_full", "backpressure", "no_chain"}
    status = plane.request("status")
    assert [worker["cpu"] for worker in status["workers"]] == CPUS
    assert status["buffers"] == {"total": 8192, "out": 0, "free": 8192}


def test_kills_under_load_leak_no_buffer_of_either(plane: Plane) -> None:
    start_chain(plane, "a", "b", "c")
    for _ in range(5):
        plane.kill_nf("b-1")
        plane.start_nf("b-1", service="b")
        before = sent_by(plane)
        eventually(lambda before=before: sent_by(plane) > before, "traffic is back")
    settle(plane)
    eventually(
        lambda: all(worker.buffers_out == 0 for worker in plane.workers()), "both have all back"
    )


def test_plans_change_under_load_and_every_packet_is_accounted_for(plane: Plane) -> None:
    for service in ("a", "b"):
        plane.start_nf(f"{service}-1", service=service)
    edges = [  # of both paths, always wanted: NFs that get no CPU are not the subject here
        {**CHAIN, "id": 3, "name": "there", "path": ["a", "b"]},
        {**CHAIN, "id": 4, "name": "back", "path": ["b", "a"]},
    ]
    plane.request("port.add", name="out", kind="null")
    plane.plan(edges)
    plane.request("port.add", name="in", kind="null")
    for round_ in range(20):
        chain = 1 + round_ % 2
        eventually(
            lambda chain=chain: chain not in [c["id"] for c in plane.request("status")["chains"]],
            "its number is free",
        )
        path = ["a", "b"] if round_ % 2 else ["b", "a"]
        plane.plan(
            [*edges, {**CHAIN, "id": chain, "path": path}],
            [{"chain": chain, "priority": 0, "port": "in"}],
        )
    eventually(lambda: sent_by(plane) > 0, "traffic flows")
    settle(plane)
    for chain in (1, 2):
        counts = plane.counters().chain[chain]
        assert getattr(counts, "in").packets == counts.out.packets + counts.dropped
    assert set(dropped(plane)) <= {"edge_full", "backpressure", "no_chain"}


def test_a_buffer_that_comes_home_to_the_wrong_worker_is_a_fault(plane: Plane) -> None:
    """The hostile NF posts all that it sees to both home edges, between its inventions."""
    plane.expect("bad-1", "bad")
    plane.run_nf("bad-1", HOSTILE, "--seed", "3", "random=20000")
    eventually(lambda: plane.nf_state("bad-1") == "running", "the hostile NF is let in")
    load_hostile = [{**CHAIN, "path": ["bad"]}]
    plane.request("port.add", name="in", kind="null")
    plane.request("port.add", name="out", kind="null")
    plane.plan(load_hostile, [{"chain": 1, "priority": 0, "port": "in"}])
    eventually(lambda: "done" in (plane.run_dir / "bad-1.log").read_text(), "all is posted", 60)
    eventually(
        lambda: both(plane, lambda worker: worker.nf[0].faults), "both workers refuse something"
    )
    assert dropped(plane)["bad_index"] > 0
    plane.kill_nf("bad-1")
    settle(plane)


@pytest.mark.parametrize("kind", ["af_packet", "tap", "af_xdp"])
def test_tcp_passes_in_order_by_every_kind_of_port(lab: Lab, kind: str) -> None:
    lab.wire(kind, kind)
    assert lab.port("client")["queues"] == (1 if kind == "af_xdp" else 2)
    arrived = transfer(lab.client, lab.server, SERVER[socket.AF_INET], socket.AF_INET)
    assert arrived == PAYLOAD


def quiet_pair(lab: Lab) -> None:
    """Two ports to namespaces that say nothing by themselves and ask nobody for addresses."""
    for name, peer, address in (
        ("client", lab.client, CLIENT[socket.AF_INET]),
        ("server", lab.server, SERVER[socket.AF_INET]),
    ):
        peer.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        lab.add_port(name, "af_packet", peer)
        peer.address("eth0", f"{address}/24")
        peer.ip("link", "set", "eth0", "arp", "off")
    for peer, address, mac in (
        (lab.client, SERVER[socket.AF_INET], link_address(lab.server)),
        (lab.server, CLIENT[socket.AF_INET], link_address(lab.client)),
        (lab.server, PUBLIC, PUBLIC_MAC),
    ):
        peer.ip("neigh", "add", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")


def link_address(peer: Namespace) -> str:
    return peer.ip("-br", "link", "show", "eth0").split()[2]


def echo(server: socket.socket) -> None:
    """Sends back what comes, until an empty datagram does."""
    while True:
        data, sender = server.recvfrom(2048)
        if not data:
            return
        server.sendto(data, sender)


def ask_and_answer(lab: Lab) -> None:
    """Many flows of UDP, each with a few requests that must all be answered."""
    address = (SERVER[socket.AF_INET], 9000)
    with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(address)
        answering = threading.Thread(target=echo, args=(server,))
        answering.start()
        for flow in range(FLOWS):
            with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for request in range(REQUESTS):
                    client.sendto(b"%d of %d" % (request, flow), address)
                    assert client.recv(2048) == b"%d of %d" % (request, flow)
        with lab.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", address)
        answering.join()


def bidirectional(path: list[str]) -> dict[str, Any]:
    """A plan in which only what was learnt brings answers back."""
    return {
        "chains": [
            {"id": 1, "name": "web", "path": path, "egress": "server", "reverse": 2},
            {"id": 2, "name": "web", "path": path, "egress": "client"},
        ],
        "rules": [{"chain": 1, "priority": 0, "port": "client"}],
    }


def test_flows_are_spread_over_sockets_and_stay_where_they_are(lab: Lab) -> None:
    quiet_pair(lab)
    lab.plane.start_nf("fw-1", service="fw")
    lab.plane.plan(**bidirectional(["fw"]))
    ask_and_answer(lab)

    there = [getattr(worker.chain[1], "in").packets for worker in lab.plane.workers()]
    back = [getattr(worker.chain[2], "in").packets for worker in lab.plane.workers()]
    assert min(there) > 0
    assert sum(there) == FLOWS * REQUESTS
    assert all(packets % REQUESTS == 0 for packets in there), "each flow has one worker"
    assert back == there, "which has its answers, too"


def test_answers_to_a_nat_come_back_by_any_worker(lab: Lab) -> None:
    """The NAT's addresses hash otherwise, so about half of the answers meet the other worker."""
    quiet_pair(lab)
    inside = f"{CLIENT[socket.AF_INET]}/32"
    parameters = {"inside": [inside], "addresses": [PUBLIC]}
    lab.plane.start_nf("nat-1", "nat", "nat", parameters=parameters)
    lab.plane.plan(**bidirectional(["nat"]))
    ask_and_answer(lab)

    workers = lab.plane.workers()
    assert min(getattr(worker.chain[2], "in").packets for worker in workers) > 0
    total = lab.plane.counters()
    assert getattr(total.chain[2], "in").packets == FLOWS * REQUESTS
    assert all(worker.flows > FLOWS // 2 for worker in workers), "each has learnt of all"
    assert dropped(lab.plane) == {}


def test_ports_of_one_queue_are_spread_over_the_workers(plane: Plane, tmp_path: Path) -> None:
    capture = tmp_path / "in.pcap"
    wrpcap(str(capture), [frame(i) for i in range(100)])
    for name in ("one", "two"):
        plane.request("port.add", name=name, kind="pcap", receive=str(capture), loop=True)
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null")
    plane.start_nf("fw-1", service="fw")
    plane.plan([{**CHAIN, "path": ["fw"]}], default_chain=1)
    eventually(lambda: both(plane, lambda worker: worker.port[2].tx.packets), "both send by one")

    first, second = plane.workers()
    assert (first.port[1].rx.packets, second.port[0].rx.packets) == (0, 0), "one port, one worker"
    plane.plan([])
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")


def cpu_seconds(pid: int) -> float:
    return cpu_nanoseconds(pid) / 1e9


def test_an_idle_node_uses_little_of_a_core(lab: Lab) -> None:
    quiet_pair(lab)
    lab.plane.start_nf("fw-1", service="fw")
    lab.plane.plan(**bidirectional(["fw"]))
    pids = [lab.plane.process.pid, lab.plane.nfs["fw-1"].pid]
    time.sleep(0.5)
    began, used = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(2)
    assert sum(map(cpu_seconds, pids)) - used < 0.05 * (time.monotonic() - began)


def test_an_nf_with_a_timer_sleeps_until_it_is_due(plane: Plane) -> None:
    """The clock that timers go by is behind the one that ends sleeps."""
    plane.start_nf("monitor", "flow_monitor")
    region: Any = plane.loop.run_until_complete(plane.control.nf_counters("monitor"))
    before = region.counters.sleeps
    time.sleep(2)
    assert region.counters.sleeps - before < 100, "ten times a second it has something to do"


def test_a_worker_gives_way_to_nfs_on_its_core(start_plane: Callable[..., Plane]) -> None:
    """It is offered far more than they can take, and could drop the rest without end."""
    plane = start_plane("--cores", str(CPUS[0]), "--buffers", "4096")
    plane.request("port.add", name="in", kind="null")
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null")
    plane.start_nf("fw-1", service="fw")
    nf = plane.nfs["fw-1"].pid
    os.sched_setaffinity(nf, {CPUS[0]})
    plane.plan([{**CHAIN, "path": ["fw"]}], default_chain=1)
    eventually(lambda: plane.workers()[0].port[1].tx.packets, "packets pass")

    before = cpu_seconds(nf), cpu_seconds(plane.process.pid)
    time.sleep(3)
    nf_time, plane_time = cpu_seconds(nf) - before[0], cpu_seconds(plane.process.pid) - before[1]
    assert nf_time > 0.05 * plane_time


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cores", "0,0"], "names CPU 0 twice"),
        (["--cores", "0,x"], "must be numbers of CPUs with commas between, not '0,x'"),
        (["--cores", "0,"], "must be numbers of CPUs"),
        (["--cores", "0,1,2,3,4,5,6,7,8"], "names more than 8 CPUs"),
        (["--cores", "1023"], "CPU 1023 is not among those that this process may use"),
        (["--cores", "0,1", "--buffers", "2047"], "too few for 2 workers: each needs 1024"),
    ],
)
def test_cores_that_cannot_be_are_refused(
    start_plane: Callable[..., Plane], options: list[str], said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        start_plane(*options)

# SPDX-License-Identifier: BSD-3-Clause
"""Deaths under load: nothing leaks, nobody else notices, traffic comes back."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import wrpcap

from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from tests.dataplane.plane import Plane, eventually, nf_program
from tests.dataplane.test_path import CHAIN, frame, sent_by

KILLS = 20


def offer(plane: Plane, path: list[str]) -> None:
    """Endless traffic from a null port into the path, whatever becomes of it there."""
    plane.request("port.add", name="in", kind="null")
    plane.request("port.add", name="out", kind="null")
    plane.plan([{**CHAIN, "path": path}], [{"chain": 1, "priority": 0, "port": "in"}])


def load(plane: Plane, path: list[str]) -> None:
    """Endless traffic through the path."""
    offer(plane, path)
    eventually(lambda: sent_by(plane) > 0, "traffic flows")


def settle(plane: Plane) -> None:
    """Ends the traffic and waits until every buffer is back: none may be lost."""
    plane.plan([])
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")
    for port in ("in", "out"):
        plane.request("port.remove", name=port)
    buffers = plane.request("status")["buffers"]
    assert buffers["free"] == buffers["total"]


def dropped(plane: Plane) -> dict[str, int]:
    """Packets that ended on the way, by the name of the reason."""
    counts = plane.counters().dropped
    return {r.name: counts[r.number] for r in DROP_REASONS if counts[r.number]}


def test_kills_under_load_leak_no_buffer(plane: Plane) -> None:
    for service in ("a", "b", "c"):
        plane.start_nf(f"{service}-1", service=service)
    load(plane, ["a", "b", "c"])

    for _ in range(KILLS):
        plane.kill_nf("b-1")
        plane.start_nf("b-1", service="b")
        before = sent_by(plane)
        eventually(lambda before=before: sent_by(plane) > before, "traffic is back")

    settle(plane)


def test_killed_replica_costs_the_other_nothing(plane: Plane) -> None:
    plane.start_nf("a-1", service="a")
    plane.start_nf("a-2", service="a")
    load(plane, ["a"])

    plane.kill_nf("a-1")

    before = sent_by(plane)
    eventually(lambda: sent_by(plane) > before + 1000, "the other replica carries on")
    settle(plane)


def test_stopped_nf_keeps_its_packets_and_goes_on(plane: Plane) -> None:
    nf = plane.start_nf("a-1", service="a")
    load(plane, ["a"])

    nf.send_signal(signal.SIGSTOP)
    time.sleep(4)  # longer than a lease and three sweeps
    assert plane.buffers_out() > 0
    nf.send_signal(signal.SIGCONT)

    before = sent_by(plane)
    eventually(lambda: sent_by(plane) > before, "traffic is back")
    settle(plane)
    assert plane.counters().nf[0].faults == 0


def test_nfs_attach_again_when_the_data_plane_was_killed(plane: Plane) -> None:
    nf = plane.start_nf("a-1", service="a")
    load(plane, ["a"])

    plane.kill()
    killed = time.monotonic()
    plane.start()
    plane.expect("a-1", "a")
    eventually(lambda: plane.nf_state("a-1") == "running", "the NF is back")
    load(plane, ["a"])

    assert nf.poll() is None, "it is the same process"
    assert time.monotonic() - killed < 5
    settle(plane)


def test_removing_an_nf_loses_no_packet(plane: Plane, tmp_path: Path) -> None:
    """Scale-down: what waits in its edges is handled before it is told to stop."""
    plane.start_nf("a-1", service="a")
    plane.start_nf("a-2", service="a")
    wrpcap(str(tmp_path / "in.pcap"), [frame(i) for i in range(2000)] * 10)
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null")
    plane.plan([{**CHAIN, "path": ["a"]}], default_chain=1)
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"))

    plane.request("nf.forget", name="a-2")

    chain = plane.counters().chain[1]
    eventually(lambda: plane.buffers_out() == 0 and chain.out.packets > 0, "all is through")
    eventually(lambda: getattr(chain, "in").packets == 20000, "all was read")
    eventually(lambda: chain.out.packets + chain.dropped == 20000, "all is accounted for")
    assert set(dropped(plane)) <= {"edge_full", "backpressure"}


@pytest.mark.parametrize("path", [["a"], ["a", "b", "c"]], ids=lambda p: f"{len(p)} NFs")
def test_changing_chains_loses_no_packet(plane: Plane, tmp_path: Path, path: list[str]) -> None:
    for service in ("a", "b", "c"):
        plane.start_nf(f"{service}-1", service=service)
    wrpcap(str(tmp_path / "in.pcap"), [frame(i) for i in range(100)])
    versions: list[dict[str, Any]] = [
        {**CHAIN, "id": 1, "path": path},
        {**CHAIN, "id": 2, "path": list(reversed(path))},
        {**CHAIN, "id": 3, "path": []},
    ]
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null")
    plane.plan(versions[:1], default_chain=1)
    receive = str(tmp_path / "in.pcap")
    plane.request("port.add", name="in", kind="pcap", receive=receive, loop=True)

    for round_ in range(60):
        version = versions[round_ % 3]
        eventually(
            lambda v=version: v["id"] not in [
                c["id"] for c in plane.request("status")["chains"] if c["draining"]
            ],
            "its old number is free",
        )
        plane.plan([version], default_chain=version["id"])

    plane.request("port.remove", name="in")
    eventually(lambda: plane.buffers_out() == 0, "all is through")
    node = plane.counters()
    assert set(dropped(plane)) <= {"edge_full", "backpressure"}, "never for want of a route"
    entered = sum(getattr(node.chain[i], "in").packets for i in (1, 2, 3))
    assert entered == sum(node.chain[i].out.packets + node.chain[i].dropped for i in (1, 2, 3))


def test_second_process_for_one_nf_is_refused(plane: Plane) -> None:
    plane.start_nf("a-1", service="a")
    first = plane.nfs["a-1"]

    second = plane.run_nf("a-1", nf_program("forward"))

    assert second.wait(10) != 0
    assert first.poll() is None
    plane.nfs["a-1"] = first
    assert "another process is attached" in (plane.run_dir / "a-1.log").read_text()


def test_data_plane_that_ends_leaves_no_socket(plane: Plane) -> None:
    plane.start_nf("a-1", service="a")
    plane.process.send_signal(signal.SIGTERM)
    assert plane.process.wait(10) == 0
    assert list((plane.run_dir / "nf" / "a-1").iterdir()) == [], "but what containers have mounted"
    assert not (plane.run_dir / "control.sock").exists()


def test_forgotten_nf_leaves_nothing(plane: Plane) -> None:
    nf = plane.start_nf("a-1", service="a")
    plane.request("nf.forget", name="a-1")
    assert nf.wait(10) == 0
    assert list((plane.run_dir / "nf").iterdir()) == []

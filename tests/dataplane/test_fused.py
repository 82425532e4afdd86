# SPDX-License-Identifier: BSD-3-Clause
"""Fused NFs do what they do apart, to the last counter, and die without a leak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scapy.layers.inet import TCP
from scapy.utils import rdpcap

from tests.dataplane.plane import Plane, eventually
from tests.dataplane.test_crash import dropped, load, sent_by, settle
from tests.dataplane.test_path import CHAIN, FRAMES, frame, run_capture, write_capture

NFS = {"fw-1": "firewall", "side-1": "forward", "mac-1": "forward", "count-1": "flow_monitor"}
PATH = ["fw", "mac", "count"]
RULES = [
    {"protocol": "tcp", "destination_ports": "80-89", "verdict": "drop"},
    {"protocol": "tcp", "destination_ports": "90-99", "to": "side"},
]
WISHES: dict[str, dict[str, Any]] = {
    "fw": {"parameters": {"rules": RULES}, "branches": ["side"]},
    "mac": {"parameters": {"swap_mac": True}},
}


def start_apart(plane: Plane) -> None:
    for name, nf in NFS.items():
        service = name.removesuffix("-1")
        plane.start_nf(name, nf, service, **WISHES.get(service, {}))


def start_fused(plane: Plane) -> None:
    plane.start_fused("fw-1", NFS, **WISHES)


def counted(plane: Plane) -> dict[str, Any]:
    """All counters that do not depend on how packets fell into bursts."""
    node = plane.counters()
    chain = node.chain[1]
    found: dict[str, Any] = {
        "chain": (getattr(chain, "in").packets, chain.out.bytes, chain.dropped),
        "dropped": dropped(plane),
    }
    for name in NFS:
        nf = plane.loop.run_until_complete(plane.control.nf_counters(name)).counters
        hops = [(nf.hop[1][hop].packets, nf.hop[1][hop].bytes) for hop in range(len(PATH))]
        found[name] = (nf.rx.packets, nf.rx.bytes, list(nf.verdict), list(nf.dropped), hops)
    return found


def received(plane: Plane, name: str) -> int:
    region = plane.loop.run_until_complete(plane.control.nf_counters(name))
    return int(region.counters.rx.packets)


def observe(plane: Plane, start: Callable[[Plane], None], tmp_path: Path) -> Any:
    """What leaves, and what is counted, when mixed traffic passes NFs that were started so."""
    start(plane)
    write_capture(tmp_path / "in.pcap", [frame(i, TCP, 75 + i % 30) for i in range(FRAMES)])
    out = tmp_path / f"{start.__name__}.pcap"
    plane.request("port.add", name="out", kind="pcap", transmit=str(out))
    plane.plan([{**CHAIN, "path": PATH}], default_chain=1)
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"))
    chain = plane.counters().chain[1]
    eventually(lambda: chain.out.packets + chain.dropped == FRAMES, "all is through")
    counts = counted(plane)
    reply = plane.request("nf.query", name="count-1", request={"query": "flows", "top": FRAMES})
    plane.request("port.remove", name="in")
    plane.plan([])
    plane.request("port.remove", name="out")
    return counts, sorted(bytes(f) for f in rdpcap(str(out))), len(reply["reply"]["flows"])


def test_fused_nfs_do_and_count_what_they_do_apart(
    start_plane: Callable[..., Plane], tmp_path: Path
) -> None:
    apart = observe(start_plane("--buffers", "2048"), start_apart, tmp_path)
    fused = observe(start_plane("--buffers", "2048"), start_fused, tmp_path)
    assert apart == fused
    assert 0 < apart[0]["chain"][2] < FRAMES, "some are dropped"
    assert apart[0]["side-1"][0] > 0, "some take the branch"


def test_order_is_kept(plane: Plane, tmp_path: Path) -> None:
    plane.start_fused("a-1", {"a-1": "forward", "b-1": "forward", "c-1": "forward"})
    frames = [frame(i) for i in range(FRAMES)]
    assert run_capture(plane, tmp_path, frames, ["a", "b", "c"]) == [bytes(f) for f in frames]


def test_kills_under_load_leak_no_buffer(plane: Plane) -> None:
    members = {"a-1": "forward", "b-1": "forward", "c-1": "forward"}
    plane.start_fused("a-1", members)
    load(plane, ["a", "b", "c"])
    for _ in range(10):
        plane.kill_nf("a-1")
        for name in members:
            eventually(lambda name=name: plane.nf_state(name) == "expected", "its death is noticed")
        plane.start_fused("a-1", members)
        before = sent_by(plane)
        eventually(lambda before=before: sent_by(plane) > before, "traffic is back")
    settle(plane)


def test_replicas_of_a_group_serve_the_same_flows(plane: Plane, tmp_path: Path) -> None:
    """So packets stay in their process; return traffic finds the same one."""
    for n in "12":
        plane.start_fused(f"a-{n}", {f"a-{n}": "forward", f"b-{n}": "forward"})
    run_capture(plane, tmp_path, [frame(i) for i in range(FRAMES)], ["a", "b"])
    for n in "12":
        first, second = received(plane, f"a-{n}"), received(plane, f"b-{n}")
        assert first == second > FRAMES / 4


def test_one_of_a_group_is_forgotten_and_the_others_go_on(plane: Plane) -> None:
    process = plane.start_fused("a-1", {"a-1": "forward", "b-1": "forward"})
    load(plane, ["a"])
    plane.request("nf.forget", name="b-1")
    before = sent_by(plane)
    eventually(lambda: sent_by(plane) > before + 1000, "traffic goes on")
    assert process.poll() is None
    settle(plane)
    plane.request("nf.forget", name="a-1")
    assert process.wait(10) == 0


def test_fused_nfs_attach_again_to_a_new_data_plane(plane: Plane) -> None:
    members = {"a-1": "forward", "b-1": "forward"}
    process = plane.start_fused("a-1", members)
    plane.kill()
    plane.start()
    for name in members:
        plane.expect(name, name[0], group="a-1")
    for name in members:
        eventually(lambda name=name: plane.nf_state(name) == "running", f"{name} is back")
    load(plane, ["a", "b"])
    assert process.poll() is None
    settle(plane)

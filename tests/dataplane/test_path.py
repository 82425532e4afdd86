# SPDX-License-Identifier: BSD-3-Clause
"""Frames through chains: what comes in by one pcap file goes out by another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

from tests.dataplane.plane import Plane, eventually

FRAMES = 500
CHAIN: dict[str, Any] = {"id": 1, "name": "web", "egress": "out"}


def frame(number: int, protocol: Any = UDP, destination_port: int = 53) -> Any:
    """One of many flows; its number is its source port."""
    transport = protocol(sport=1024 + number, dport=destination_port)
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(
        src="198.18.0.1", dst="198.18.0.2"
    ) / transport / (b"%06d" % number)


def write_capture(path: Path, frames: list[Any]) -> list[bytes]:
    """Writes the frames and returns their bytes."""
    wrpcap(str(path), frames)
    return [bytes(f) for f in frames]


def sent_by(plane: Plane, port: str = "out") -> int:
    """Frames that left by a port so far."""
    ids = {p["name"]: p["id"] for p in plane.request("status")["ports"]}
    return int(plane.counters().port[ids[port]].tx.packets)


def run_capture(
    plane: Plane,
    tmp_path: Path,
    frames: list[Any],
    path: list[str],
    mtu: int = 1500,
    **plan: Any,
) -> list[bytes]:
    """Sends the frames through a chain and returns what came out, in order."""
    into, out = str(tmp_path / "in.pcap"), str(tmp_path / "out.pcap")
    expected = write_capture(Path(into), frames)
    plane.request("port.add", name="out", kind="pcap", transmit=out, mtu=mtu)
    plane.plan([{**CHAIN, "path": path}], default_chain=1, **plan)
    plane.request("port.add", name="in", kind="pcap", receive=into, mtu=mtu)
    eventually(lambda: sent_by(plane) >= len(expected), f"{len(expected)} frames leave")
    plane.plan([])
    plane.request("port.remove", name="out")
    return [bytes(f) for f in rdpcap(out)]


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_chain_passes_every_frame_once_unchanged_and_in_order(
    plane: Plane, tmp_path: Path, hops: int
) -> None:
    path = [f"s{i}" for i in range(hops)]
    for service in path:
        plane.start_nf(f"{service}-1", "forward", service=service)
    frames = [frame(i) for i in range(FRAMES)]

    assert run_capture(plane, tmp_path, frames, path) == [bytes(f) for f in frames]


@pytest.mark.parametrize("hugepages", ["required", "off"])
def test_both_kinds_of_memory_carry_packets(
    start_plane: Callable[..., Plane], tmp_path: Path, hugepages: str
) -> None:
    plane = start_plane("--buffers", "2048", "--hugepages", hugepages)
    plane.start_nf("fw-1", "forward", service="fw")
    plane.request("latency.sample", every=1)  # the NF finds the stamps of each packet
    frames = [frame(i) for i in range(FRAMES)]

    assert len(run_capture(plane, tmp_path, frames, ["fw"])) == FRAMES
    counters = plane.control.identity
    assert counters["hugepages"] is (hugepages == "required")


def test_every_hop_is_counted(plane: Plane, tmp_path: Path) -> None:
    plane.start_nf("a-1", service="a")
    plane.start_nf("b-1", service="b")
    frames = [frame(i) for i in range(FRAMES)]
    run_capture(plane, tmp_path, frames, ["a", "b"])

    for hop, nf in enumerate(["a-1", "b-1"]):
        region = plane.loop.run_until_complete(plane.control.nf_counters(nf))
        count = region.counters.hop[1][hop]
        assert count.packets == FRAMES
        assert count.bytes == sum(len(f) for f in frames)
    chain = plane.counters().chain[1]
    assert (chain.out.packets, getattr(chain, "in").packets, chain.dropped) == (FRAMES, FRAMES, 0)


def test_no_buffer_stays_out_when_the_traffic_has_passed(plane: Plane, tmp_path: Path) -> None:
    plane.start_nf("a-1", service="a")
    run_capture(plane, tmp_path, [frame(i) for i in range(FRAMES)], ["a"])

    eventually(lambda: plane.buffers_out() == 0, "all buffers are back")


def test_replicas_share_the_flows_and_each_flow_stays_on_one(plane: Plane, tmp_path: Path) -> None:
    for i in range(1, 4):
        plane.start_nf(f"a-{i}", service="a")
    frames = [frame(i) for i in range(FRAMES)] * 2
    run_capture(plane, tmp_path, frames, ["a"])

    packets = []
    for i in range(1, 4):
        region = plane.loop.run_until_complete(plane.control.nf_counters(f"a-{i}"))
        packets.append(region.counters.rx.packets)
    assert sum(packets) == 2 * FRAMES
    assert all(p % 2 == 0 for p in packets), "both frames of a flow met the same replica"
    assert min(packets) > 2 * FRAMES / 3 / 2


RULES = [
    ({"dst_ports": [80, 80], "protocol": 6}, "tcp to port 80 takes its own chain"),
    ({"src": "198.18.0.1/32"}, "the source decides"),
    ({"dst_mac": "02:00:00:00:00:02"}, "the destination's MAC address decides"),
]


@pytest.mark.parametrize(("match", "sentence"), RULES, ids=[s for _, s in RULES])
def test_rules_choose_the_chain(
    plane: Plane, tmp_path: Path, match: dict[str, Any], sentence: str
) -> None:
    write_capture(tmp_path / "in.pcap", [frame(i, TCP, 80) for i in range(FRAMES)])
    plane.request("port.add", name="out", kind="pcap", transmit=str(tmp_path / "out.pcap"))
    chains = [{**CHAIN, "path": []}, {"id": 2, "name": "other", "path": [], "egress": "out"}]
    plane.plan(chains, [{"chain": 2, "priority": 1, **match}], default_chain=1)
    plane.request("port.add", name="in", kind="pcap", receive=str(tmp_path / "in.pcap"))

    chain = plane.counters().chain[2]
    eventually(lambda: getattr(chain, "in").packets == FRAMES, sentence)


def test_a_frame_that_is_too_long_for_its_port_takes_none_along(
    plane: Plane, tmp_path: Path
) -> None:
    """Frames that wait for the port, without an NF, when others come home that do not fit it."""
    capture = tmp_path / "in.pcap"
    short, long = frame(0), frame(1, TCP, 80) / bytes(1400)
    write_capture(capture, [short] * 40 + [long] * 24)
    plane.start_nf("web-1", "forward", service="web")
    plane.request("port.add", name="out", kind="pcap", transmit="/dev/null", mtu=1280)
    plane.plan(
        [{**CHAIN, "path": ["web"]}, {"id": 2, "name": "wire", "path": [], "egress": "out"}],
        [{"chain": 1, "priority": 1, "protocol": 6},
         {"chain": 2, "priority": 1, "protocol": 17}],
    )  # fmt: skip
    plane.request("port.add", name="in", kind="pcap", receive=str(capture), loop=True)
    eventually(lambda: plane.counters().chain[1].dropped > 10000, "frames are too long")
    plane.request("port.remove", name="in")
    eventually(lambda: plane.buffers_out() == 0, "every buffer is back")

    counters = plane.counters()
    assert counters.chain[1].out.packets == 0
    assert sent_by(plane) == counters.chain[2].out.packets > 0
    plane.plan([])
    plane.request("port.remove", name="out")
    buffers = plane.request("status")["buffers"]
    assert buffers["free"] == buffers["total"]

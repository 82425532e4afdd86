# SPDX-License-Identifier: BSD-3-Clause
"""Probes of chains: they meet every NF, stay inside, and give their buffers back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime._control import lib
from onvm_runtime.control import DataplaneError
from onvm_runtime.telemetry import trace
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from tests.dataplane.plane import Plane, eventually
from tests.dataplane.test_crash import offer
from tests.dataplane.test_hostile import end_hostile, start_hostile
from tests.dataplane.test_latency import latencies
from tests.dataplane.test_path import CHAIN, frame, sent_by

REASON = {reason.name: reason.number for reason in DROP_REASONS}
FRAME = bytes(frame(1)).hex()


def add_chain(plane: Plane, tmp_path: Path, path: list[str], **port: Any) -> None:
    """A chain that no rule leads to, between two ports."""
    plane.request("port.add", name="in", kind="pcap", transmit=str(tmp_path / "in.pcap"))
    plane.request("port.add", name="out", kind="pcap", transmit=str(tmp_path / "out.pcap"), **port)
    plane.plan([{**CHAIN, "path": path}])


def send(plane: Plane, frame: str = FRAME) -> int:
    """Sends a probe into the chain; its id."""
    return int(plane.request("chain.probe", chain=1, port="in", frame=frame)["id"])


def passage(plane: Plane, probe: int) -> trace.Passage:
    """What is known of a probe."""
    ask, control = plane.loop.run_until_complete, plane.control
    names = [nf["name"] for nf in plane.request("status")["nfs"] if nf["state"] == "running"]
    own = {name: ask(control.nf_latency(name)) for name in names}
    taken = trace.take(ask(control.node_latency()), own, "probes")
    return next(one for one in taken if one.entered.id == probe)


def end_of(plane: Plane, probe: int) -> str:
    """The reason for which a probe ended; it waits for it."""
    ended = eventually(lambda: passage(plane, probe).ended, "the probe ends")
    assert ended.verdict == lib.ONVM_VERDICT_DROP
    return DROP_REASONS[ended.argument].name


def free_buffers(plane: Plane) -> int:
    return int(plane.request("status")["buffers"]["free"])


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_a_probe_meets_every_nf_and_does_not_leave(
    plane: Plane, tmp_path: Path, hops: int
) -> None:
    path = [f"s{i}" for i in range(hops)]
    for service in path:
        plane.start_nf(f"{service}-1", service=service)
    add_chain(plane, tmp_path, path)
    free = free_buffers(plane)
    probes = [send(plane) for _ in range(20)]

    assert {end_of(plane, probe) for probe in probes} == {"probe_arrived"}
    for probe in probes:
        assert probe & lib.ONVM_TRACE_PROBE
        seen = passage(plane, probe)
        assert [hop.nf for hop in seen.handled] == [f"{service}-1" for service in path]
        assert seen.entered.head == bytes.fromhex(FRAME)[: len(seen.entered.head)]
    assert sent_by(plane) == 0
    eventually(lambda: free_buffers(plane) == free, "all buffers are back")
    assert plane.buffers_out() == 0
    chain, counters = plane.counters().chain[1], plane.counters()
    assert (getattr(chain, "in").packets, chain.out.packets, chain.dropped) == (20, 20, 0)
    assert sum(counters.dropped) == counters.dropped[REASON["probe_arrived"]] == 20


def test_a_probe_is_measured_by_nobody(plane: Plane, tmp_path: Path) -> None:
    plane.start_nf("a-1", service="a")
    add_chain(plane, tmp_path, ["a"])
    assert end_of(plane, send(plane)) == "probe_arrived"
    assert {times.count for _, _, _, times in latencies(plane, ("a",)).stages()} == {0}


ENDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"program": "firewall", "parameters": {"default": "drop"}}, {}, "nf_policy"),
    ({"program": "firewall", "parameters": {"default": "accept"}}, {}, "probe_arrived"),
    ({"program": "forward"}, {"mtu": 1280}, "oversize"),
]


@pytest.mark.parametrize(("nf", "port", "reason"), ENDS, ids=[reason for _, _, reason in ENDS])
def test_the_trace_says_why_a_probe_ended(
    plane: Plane, tmp_path: Path, nf: dict[str, Any], port: dict[str, Any], reason: str
) -> None:
    plane.start_nf("a-1", service="a", **nf)
    add_chain(plane, tmp_path, ["a"], **port)
    padded = bytes(frame(1) / bytes(1400))
    assert end_of(plane, send(plane, padded.hex())) == reason
    assert sent_by(plane) == 0


def test_a_probe_that_a_stopped_nf_holds_is_known_to_be_there(
    plane: Plane, tmp_path: Path
) -> None:
    plane.start_nf("a-1", service="a")
    plane.start_nf("b-1", service="b")
    add_chain(plane, tmp_path, ["a", "b"])
    plane.nfs["b-1"].send_signal(signal.SIGSTOP)
    probe = send(plane)
    eventually(lambda: passage(plane, probe).handled, "the first NF has it")
    assert [hop.nf for hop in passage(plane, probe).handled] == ["a-1"]
    assert passage(plane, probe).ended is None
    plane.nfs["b-1"].send_signal(signal.SIGCONT)
    assert end_of(plane, probe) == "probe_arrived"


def test_without_an_instance_a_probe_ends_where_it_enters(plane: Plane, tmp_path: Path) -> None:
    plane.expect("a-1", "a")
    add_chain(plane, tmp_path, ["a"])
    assert end_of(plane, send(plane)) == "no_instance"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"chain": 2}, "no chain 2"),
    ({"chain": 0}, "no chain 0"),
    ({"chain": 1 << 20}, "no chain"),
    ({"port": "elsewhere"}, "no port elsewhere"),
    ({"frame": "00" * 13}, "14 to 2048 bytes"),
    ({"frame": "00" * 2049}, "14 to 2048 bytes"),
    ({"frame": FRAME[:-1]}, "hexadecimal"),
    ({"frame": "0x" + FRAME}, "hexadecimal"),
    ({"frame": " 1" * 20}, "hexadecimal"),
    ({"frame": FRAME[:40]}, "contradict"),
    ({"more": 1}, "chain.probe"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[str(case)[:30] for case, _ in WRONG])
def test_a_wrong_request_is_refused(
    plane: Plane, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    add_chain(plane, tmp_path, [])
    free = free_buffers(plane)
    with pytest.raises(DataplaneError, match=sentence):
        plane.request("chain.probe", **{"chain": 1, "port": "in", "frame": FRAME, **change})
    assert free_buffers(plane) == free


def test_a_frame_that_is_longer_than_a_buffer_is_refused(
    start_plane: Callable[..., Plane], tmp_path: Path
) -> None:
    plane = start_plane("--buffers", "2048", "--buffer-size", "512")
    add_chain(plane, tmp_path, [])
    free = free_buffers(plane)
    with pytest.raises(DataplaneError, match="fits no buffer"):
        send(plane, "00" * 600)
    assert free_buffers(plane) == free


def test_probes_among_hostile_descriptors_leak_nothing(plane: Plane) -> None:
    start_hostile(plane, "--seed", "3", "random=300000")
    offer(plane, ["before", "bad", "after"])
    for _ in range(300):
        send(plane)
    end_hostile(plane)

# SPDX-License-Identifier: BSD-3-Clause
"""Sampled latencies of real NFs: every stage is counted where it happens, and adds up."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from onvm_runtime.control import DataplaneError
from onvm_runtime.telemetry import latency
from tests.dataplane.plane import HOSTILE, Plane, eventually
from tests.dataplane.test_crash import load, offer, settle
from tests.dataplane.test_path import FRAMES, frame, run_capture

PATH = ("a", "b", "c")


def latencies(plane: Plane, path: tuple[str, ...] = PATH) -> latency.ChainLatency:
    """All that was recorded of chain 1."""
    ask, control = plane.loop.run_until_complete, plane.control
    names = [nf["name"] for nf in plane.request("status")["nfs"] if nf["state"] == "running"]
    taken = latency.take(
        plane.request("latency"),
        {**plane.request("status"), "chains": [{"id": 1, "name": "web", "reverse": False}]},
        ask(control.node_latency()),
        {name: ask(control.nf_latency(name)) for name in names},
        {1: path},
    )
    return taken.chains[0]


def start_chain(plane: Plane) -> None:
    for service in PATH:
        plane.start_nf(f"{service}-1", service=service)


def test_every_packet_is_timed_once_in_every_stage(plane: Plane, tmp_path: Path) -> None:
    start_chain(plane)
    plane.request("latency.sample", every=1)
    run_capture(plane, tmp_path, [frame(i) for i in range(FRAMES)], list(PATH))

    seen = latencies(plane)
    assert {times.count for _, _, _, times in seen.stages()} == {FRAMES}
    parts = sum(times.sum for _, _, stage, times in seen.stages() if stage != "total")
    assert parts == pytest.approx(seen.total.sum, rel=1e-6), "the stages are the whole way"
    assert 0 < seen.total.percentile(50) <= seen.total.percentile(99.9) <= seen.total.max


@pytest.mark.parametrize("every", [0, 64])
def test_one_packet_of_so_many_is_sampled(plane: Plane, every: int) -> None:
    start_chain(plane)
    plane.request("latency.sample", every=every)
    load(plane, list(PATH))
    own = plane.loop.run_until_complete(plane.control.nf_counters("a-1"))
    handled = own.counters.rx
    eventually(lambda: handled.packets > 200_000, "traffic flows")
    settle(plane)

    share = latencies(plane).hops[0].wait.count / handled.packets
    assert share == 0 if every == 0 else 0.8 / every < share < 1.25 / every


def test_time_in_a_stopped_nf_is_time_in_its_edge(plane: Plane) -> None:
    start_chain(plane)
    plane.request("latency.sample", every=1)
    load(plane, list(PATH))
    plane.nfs["b-1"].send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    plane.nfs["b-1"].send_signal(signal.SIGCONT)
    settle(plane)

    seen = latencies(plane)
    assert seen.hops[1].wait.max > 0.25
    assert seen.total.max > 0.25
    assert seen.hops[2].handling.max < 0.25


def test_untouched_histograms_take_no_memory(plane: Plane) -> None:
    start_chain(plane)
    plane.request("latency.sample", every=1)
    load(plane, list(PATH))
    settle(plane)
    for name in ("a-1", "b-1", "c-1"):
        smaps = Path(f"/proc/{plane.nfs[name].pid}/smaps").read_text()
        _, found, after = smaps.partition("onvm-latency")
        assert found
        resident = int(after.split("Rss:")[1].split()[0])
        assert resident <= 48, "KiB: the header's page, a ring of traces and two histograms"


def test_stamps_that_lie_cost_the_data_plane_nothing(plane: Plane) -> None:
    plane.start_nf("a-1", service="a")
    plane.expect("bad-1", "bad")
    plane.run_nf("bad-1", HOSTILE, "scribble")
    eventually(lambda: plane.nf_state("bad-1") == "running", "the hostile NF is let in")
    plane.request("latency.sample", every=1)
    offer(plane, ["a", "bad"])
    time.sleep(0.5)
    plane.kill_nf("bad-1")
    settle(plane)
    total = latencies(plane, ("a",)).total
    assert total.max < 60, "clamped to the range of a histogram"


@pytest.mark.parametrize("every", [-1, 1_000_000_001, "1"])
def test_nonsense_is_refused_and_changes_nothing(plane: Plane, every: object) -> None:
    plane.request("latency.sample", every=7)
    with pytest.raises(DataplaneError):
        plane.request("latency.sample", every=every)
    assert plane.request("latency")["every"] == 7

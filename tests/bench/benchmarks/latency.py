# SPDX-License-Identifier: BSD-3-Clause
"""Latency within the node, from its own histograms: every packet is sampled."""

from __future__ import annotations

import time
from collections.abc import Iterator

from onvm_runtime.telemetry import histograms
from onvm_runtime.telemetry.histograms import Histogram
from onvm_runtime.telemetry.total import workers
from tests.bench.benchmarks.wakeup import IDLE, NFS, THROUGH_NFS, Wire, start_wired_chain
from tests.bench.figure import Figure, Finding
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.dataplane.plane import Plane

FRAMES = 100  # in a sample
KINDS = {"busy": ("one right after another", 0.0), "idle": ("after idle", IDLE)}  # title, gap


@benchmark("latency", f"Latency within the node, single frames through {NFS} NFs")
def latency(setting: Setting) -> Iterator[Finding]:
    """From received by the data plane to taken by it for sending."""
    with start_wired_chain(setting) as (plane, wire):
        plane.request("latency.sample", every=1)
        reader = Reader(plane)
        for kind, (title, gap) in KINDS.items():
            _send(wire, gap)
            found = [_sample(reader, wire, gap) for _ in range(setting.repeat)]
            for percent in (50, 99):
                yield Figure(
                    f"latency.{kind}.p{percent}",
                    f"{NFS} NFs, {title}, p{percent}",
                    "us",
                    tuple(histogram.percentile(percent) * 1e6 for histogram in found),
                )


class Reader:
    """Reads the chain's histogram of whole ways."""

    def __init__(self, plane: Plane) -> None:
        self._hz = plane.request("latency")["hz"]
        self._region = plane.loop.run_until_complete(plane.control.node_latency())

    def total(self) -> Histogram:
        """All ways up to now, through the one worker."""
        return histograms.read(workers(self._region)[0].chain[THROUGH_NFS].total, self._hz)


def _sample(reader: Reader, wire: Wire, gap: float) -> Histogram:
    before = reader.total()
    _send(wire, gap)
    return histograms.since(before, reader.total())


def _send(wire: Wire, gap: float) -> None:
    for _ in range(FRAMES):
        time.sleep(gap)
        wire.pass_frame(THROUGH_NFS)

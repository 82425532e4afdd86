# SPDX-License-Identifier: BSD-3-Clause
"""A hop by the segments of a packet: jumbo frames are runs of descriptors."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.bench.figure import Baseline, Figure, Finding
from tests.bench.programs import columns
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.bench.systems.onvm import SWAP
from tests.dataplane.plane import nf_program

SEGMENTS = (1, 2, 5)  # as in native/hop.c; the last makes 9,000 bytes
QUICK_SHARE = 0.2  # of a sample's length


@benchmark("hop", "A hop by itself: an NF that swaps MAC addresses, before a stand-in for the rest")
def hop(setting: Setting) -> Iterator[Finding]:
    """No other NF and no port takes part, so nothing but the NF's own work is in it."""
    milliseconds = setting.seconds * 1000 * (QUICK_SHARE if setting.quick else 1)
    one, *more = columns(
        setting.build, "bench_hop", setting.cores[-1],
        str(int(milliseconds)), str(setting.repeat), str(nf_program("forward")), _parameters(),
    )  # fmt: skip
    yield Figure("hop.1", "packets of one segment", "CPU ns/packet", one)
    for segments, samples in zip(SEGMENTS[1:], more, strict=True):
        yield Figure(
            f"hop.{segments}",
            f"packets of {segments} segments",
            "CPU ns/packet",
            samples,
            Baseline("one segment", one),
        )


def _parameters() -> str:
    return json.dumps({"parameters": SWAP})

# SPDX-License-Identifier: BSD-3-Clause
"""What it costs a packet that no NF can forge, repeat or lose a buffer unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Figure, Finding, Target
from tests.bench.programs import columns
from tests.bench.registry import benchmark
from tests.bench.setting import Setting

PACKETS = "4000000"


@benchmark("ledger", "The buffer ledger")
def ledger(setting: Setting) -> Iterator[Finding]:
    """Handing a buffer out, and checking and taking it back."""
    (samples,) = columns(
        setting.build, "bench_ledger", setting.cores[-1], PACKETS, str(setting.repeat)
    )
    yield Figure(
        "ledger.both",
        "ledger and generation checks",
        "CPU ns/packet",
        samples,
        target=Target("value", "<=", 3),
    )

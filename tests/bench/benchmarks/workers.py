# SPDX-License-Identifier: BSD-3-Clause
"""Two workers beside one: without NFs, so the workers alone, and with NFs on the other cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.failure import BenchError
from tests.bench.figure import Baseline, Figure, Finding
from tests.bench.registry import benchmark
from tests.bench.sampling import Sample, interleave
from tests.bench.setting import Setting
from tests.bench.systems.onvm import OnvmChain, paused_chain, running_plane, start_nf

NFS = 2


@benchmark("workers", "Two workers beside one: 64-byte packets, null port", quick=False)
def workers(setting: Setting) -> Iterator[Finding]:
    """CPU time only without NFs: with them a worker polls while it waits."""
    if len(setting.cores) < 2:
        raise BenchError("two workers need two CPUs, and there is one")
    one, two = _measure(setting, 0)
    yield _figure("0.throughput", "no NF, throughput", "mpps", two, one)
    yield _figure("0.io", "no NF, I/O threads", "io_ns", two, one)
    one, two = _measure(setting, NFS)
    where = "apart" if len(setting.cores) >= 2 + NFS else "on shared cores"
    yield _figure(f"{NFS}.throughput", f"{NFS} NFs {where}, throughput", "mpps", two, one)


def _figure(
    key: str, title: str, quantity: str, two: Sequence[Sample], one: Sequence[Sample]
) -> Figure:
    return Figure(
        f"workers.{key}",
        f"2 workers, {title}",
        "Mpps" if quantity == "mpps" else "CPU ns/packet",
        tuple(getattr(sample, quantity) for sample in two),
        Baseline("1 worker", tuple(getattr(sample, quantity) for sample in one)),
    )


def _measure(setting: Setting, nfs: int) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Samples of one worker, and of two."""
    with _chain(setting, 1, nfs) as one, _chain(setting, 2, nfs) as two:
        found = interleave([one, two], setting.repeat, setting.seconds)
    return found[one.name], found[two.name]


@contextmanager
def _chain(setting: Setting, count: int, nfs: int) -> Iterator[OnvmChain]:
    """Workers on the first cores; NFs on the others, or on the same where there are no more."""
    cores = setting.cores[:count]
    others = setting.cores[count:] or cores
    names = [f"nf{i}" for i in range(nfs)]
    with running_plane(*cores) as plane:
        for i, name in enumerate(names):
            own = len(setting.cores) >= count + nfs
            start_nf(plane, name, name, others[i % len(others)], dedicated=own)
        yield paused_chain(plane, names, f"{count} workers")

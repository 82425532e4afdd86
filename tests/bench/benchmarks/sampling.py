# SPDX-License-Identifier: BSD-3-Clause
"""What it costs all packets that some are sampled, for latencies and for traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.figure import Baseline, Figure, Finding
from tests.bench.registry import benchmark
from tests.bench.sampling import Count, Sample, interleave
from tests.bench.setting import Placement, Setting
from tests.bench.systems.onvm import OnvmChain, onvm_chain

NFS = 2
DEFAULT = 1024  # one packet of so many, as node.yml has it
OTHER_CHAIN = 2  # no packet takes it


@dataclass(frozen=True)
class Observed:
    """A chain as it is in its turns: one packet of `every` is sampled, 0: none.

    `traced`: somebody waits for packets of a chain that has none, so every burst is searched.
    """

    key: str
    name: str
    chain: OnvmChain
    every: int = 0
    traced: bool = False

    def count(self) -> Count:
        """See sampling.System."""
        return self.chain.count()

    def pause(self) -> None:
        """See sampling.System."""
        self.chain.pause()

    def resume(self) -> None:
        """See sampling.System."""
        self.chain.resume()
        self.chain.plane.request("latency.sample", every=self.every)
        chains = [OTHER_CHAIN] if self.traced else []
        self.chain.plane.request("trace", chains=chains, count=len(chains))


@benchmark("sampling", "Sampling of packets: 64-byte packets, null port", quick=False)
def sampling(setting: Setting) -> Iterator[Finding]:
    """The same chain without, twice, in turn with the others: what differs there is chance."""
    io, nfs = setting.cores[0], (setting.cores[-1],) * NFS
    yield from _parts(setting, Placement(io, (), own=False), "io", "I/O thread, no NF", "io_ns")
    yield from _parts(setting, Placement(io, nfs, own=False), "hop", "each hop", "nf_ns")


def _parts(
    setting: Setting, placement: Placement, part: str, title: str, quantity: str
) -> Iterator[Figure]:
    """What each way to observe the chain costs one part of it."""
    with onvm_chain(placement) as chain:
        off, *others = _ways(chain)
        found = interleave([off, *others], setting.repeat, setting.seconds)
    baseline = Baseline(off.name, _costs(found, off, quantity))
    for one in others:
        yield Figure(
            f"sampling.{part}.{one.key}",
            f"{title}, {one.name}",
            "CPU ns/packet",
            _costs(found, one, quantity),
            baseline,
        )


def _ways(chain: OnvmChain) -> list[Observed]:
    """The first is what all others are compared with."""
    return [
        Observed("off", "none", chain),
        Observed("again", "none again", chain),
        Observed(str(DEFAULT), f"1 of {DEFAULT:,}", chain, DEFAULT),
        Observed("64", "1 of 64", chain, 64),
        Observed("1", "all", chain, 1),
        Observed("trace", "trace without a packet", chain, traced=True),
    ]


def _costs(found: Mapping[str, list[Sample]], one: Observed, quantity: str) -> tuple[float, ...]:
    return tuple(getattr(sample, quantity) for sample in found[one.name])

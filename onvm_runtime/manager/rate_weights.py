# SPDX-License-Identifier: BSD-3-Clause
"""Which CPU weights make NFs that share a CPU keep up with what arrives at them.  Pure.

Rate-proportional sharing, after NFVnice (Kulkarni et al.: "NFVnice: Dynamic Backpressure and
Scheduling for NFV Service Chains", SIGCOMM 2017): an NF gets CPU time in proportion to the rate
at which packets arrive, those that are shed included, times what a packet costs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from onvm_runtime.chains.spec import CPU_WEIGHT
from onvm_runtime.telemetry.snapshot import HopStats, Snapshot

LEAST, MOST = 10, 1000  # weights; one that gets nothing now must be able to show that it wants more
SMOOTHING = 0.5  # what the newest sample counts against all before it
NOTICEABLE = 0.15  # smaller changes of a weight are not worth the call


@dataclass(frozen=True)
class Sample:
    """A process at one moment.

    cpu_seconds  that it has used since it began
    handled      packets by chain that its NFs have handled, at all hops
    """

    cpu_seconds: float
    handled: Mapping[int, int]


def offers(before: Snapshot, after: Snapshot) -> dict[int, float]:
    """Packets that were classified into a chain for each that entered it, by id; 1 or more."""
    entered = {chain.id: chain.counters.entered.packets for chain in before.chains}
    handled = {chain.id: _entries(chain.hops) for chain in before.chains}
    return {
        chain.id: max(
            1.0,
            (chain.counters.entered.packets - entered[chain.id])
            / max(1, _entries(chain.hops) - handled[chain.id]),
        )
        for chain in after.chains
        if chain.id in entered
    }


def _entries(hops: tuple[HopStats, ...]) -> int:
    return hops[0].handled.packets if hops else 0


def demand(before: Sample, after: Sample, offered: Mapping[int, float]) -> float:
    """CPU seconds that a process would have used, had it got all that was offered to it."""
    passed = {c: count - before.handled.get(c, 0) for c, count in after.handled.items()}
    packets = sum(passed.values())
    if packets <= 0:
        return 0.0
    wanted = sum(count * offered.get(chain, 1.0) for chain, count in passed.items())
    return max(0.0, after.cpu_seconds - before.cpu_seconds) * wanted / packets


def smoothed(before: float | None, now: float) -> float:
    """A demand, with those before it."""
    return now if before is None else before + SMOOTHING * (now - before)


def weights(
    demands: Mapping[str, float], cpus: Mapping[str, tuple[int, ...]], present: Mapping[str, int]
) -> dict[str, int]:
    """The weight of each process: CPU_WEIGHT for the mean demand on the same CPUs.

    `present` weights stay where the change would not be noticeable.
    """
    shares = defaultdict(list)
    for name, wanted in demands.items():
        shares[cpus[name]].append(wanted)
    return {
        name: _settle(wanted, shares[cpus[name]], present.get(name, CPU_WEIGHT))
        for name, wanted in demands.items()
    }


def _settle(wanted: float, all_wanted: list[float], present: int) -> int:
    mean = sum(all_wanted) / len(all_wanted)
    weight = round(CPU_WEIGHT * wanted / mean) if mean > 0 else CPU_WEIGHT
    weight = min(max(weight, LEAST), MOST)
    return present if abs(weight - present) <= NOTICEABLE * present else weight

# SPDX-License-Identifier: BSD-3-Clause
"""Has the CPU weights of services with `cpu_weight: rate` follow what arrives at them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager.counting import Counting
from onvm_runtime.manager.fleet import Fleet
from onvm_runtime.manager.in_force import InForce
from onvm_runtime.manager.rate_weights import Sample, demand, offers, smoothed, weights
from onvm_runtime.telemetry.snapshot import Snapshot

SAMPLE_SECONDS = 1.0
_CPU_CLOCK = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: all threads of a process

log = logging.getLogger(__name__)


class Weighing:
    """What is remembered of each process from one look to the next."""

    def __init__(self, fleet: Fleet, in_force: InForce, counting: Counting) -> None:
        self._fleet = fleet
        self._in_force = in_force
        self._counting = counting
        self._snapshot: Snapshot | None = None
        self._samples: dict[int, Sample] = {}  # by pid
        self._demands: dict[str, float] = {}

    async def run(self, connected: Callable[[], Control | None]) -> None:
        """Follows rates until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            control = connected()
            members = self._fleet.weighed_by_rate()
            if control and members:
                try:
                    await self._look(control, members)
                except DataplaneError as error:
                    log.warning("no CPU weight follows the rates: %s", error)

    async def _look(self, control: Control, members: Mapping[str, list[str]]) -> None:
        before, samples = self._snapshot, self._samples
        now = await self._counting.take(control, self._in_force.paths)
        pids = {name: self._pid(nfs) for name, nfs in members.items()}
        self._snapshot = now
        self._samples = {
            pid: sample
            for name, pid in pids.items()
            if pid and (sample := _sample(pid, members[name], now))
        }
        if before is None:
            return
        offered = offers(before, now)
        self._demands = {
            name: smoothed(
                self._demands.get(name), demand(samples[pid], self._samples[pid], offered)
            )
            for name, pid in pids.items()
            if pid in samples and pid in self._samples and name in self._fleet.placing.places
        }
        places = self._fleet.placing.places
        present = {name: self._fleet.placing.weight(name) for name in self._demands}
        cpus = {name: places[name].cpus for name in self._demands}
        await self._fleet.weigh_cpu(weights(self._demands, cpus, present))

    def _pid(self, nfs: list[str]) -> int:
        """The process of NFs that share one; 0 where it is gone."""
        return next((one.pid or 0 for nf in nfs if (one := self._fleet.instances.get(nf))), 0)


def _sample(pid: int, nfs: list[str], snapshot: Snapshot) -> Sample | None:
    """None: the process has just ended."""
    handled: Counter[int] = Counter()
    for nf in snapshot.nfs:
        if nf.name in nfs:
            for hop in nf.counters.hops:
                handled[hop.chain] += hop.handled.packets
    try:
        return Sample(time.clock_gettime((~pid << 3) | _CPU_CLOCK), handled)
    except OSError:
        return None

# SPDX-License-Identifier: BSD-3-Clause
"""Has services with a policy follow it: measures, decides, scales, and writes it down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onvm_runtime.chains import Service
from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager import edits
from onvm_runtime.manager.autoscale import Watch, decide
from onvm_runtime.manager.counting import Counting
from onvm_runtime.manager.failure import ManagerError
from onvm_runtime.manager.rollout import Rollouts

SAMPLE_SECONDS = 1.0
EVENTS = 50  # that are remembered of each service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """One change.  `time`: seconds since 1970; `measure` is what led to it."""

    time: float
    before: int
    after: int
    measure: float


@dataclass
class Followed:
    """A service that follows a policy.  `measure`: the last one, None before the first."""

    watch: Watch = field(default_factory=Watch)
    measure: float | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS))
    scalings: int = 0  # all, also those that are forgotten


class Autoscaling:
    """All services that follow a policy, by name."""

    def __init__(self, rollouts: Rollouts, counting: Counting) -> None:
        self.followed: dict[str, Followed] = {}
        self._rollouts = rollouts
        self._busy = Busy(counting)

    async def run(self, connected: Callable[[], Control | None]) -> None:
        """Follows policies until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            control = connected()
            services = self._rollouts.desired.spec.services.values()
            followed = [service for service in services if service.autoscale]
            if control and followed:
                await self._look(control, followed)

    def count(self, service: str) -> int:
        """How often a policy has scaled the service."""
        return self.followed[service].scalings if service in self.followed else 0

    async def _look(self, control: Control, services: Iterable[Service]) -> None:
        try:
            nfs = (await control.request("status"))["nfs"]
            cpu = await self._busy.percent(control, nfs)
            for service in services:
                await self._follow(control, service, nfs, cpu)
        except (DataplaneError, ManagerError) as error:
            log.warning("no service was scaled: %s", error)

    async def _follow(
        self,
        control: Control,
        service: Service,
        nfs: Iterable[Mapping[str, Any]],
        cpu: Mapping[str, float],
    ) -> None:
        policy = service.autoscale
        mine = [nf for nf in nfs if nf["service"] == service.name and self._takes_flows(nf)]
        if policy is None or not mine:
            return
        values = [nf["waiting"] if policy.metric == "queue" else cpu[nf["name"]] for nf in mine]
        followed = self.followed.setdefault(service.name, Followed())
        followed.measure = sum(values) / len(values)
        if self._rollouts.busy:
            return
        wanted, followed.watch = decide(
            policy, followed.watch, service.replicas, followed.measure, time.monotonic()
        )
        if wanted != service.replicas:
            await self._scale(control, service, wanted, followed)

    def _takes_flows(self, nf: Mapping[str, Any]) -> bool:
        return nf["state"] == "running" and nf["name"] not in self._rollouts.desired.draining

    async def _scale(
        self, control: Control, service: Service, wanted: int, followed: Followed
    ) -> None:
        event = Event(time.time(), service.replicas, wanted, followed.measure or 0.0)
        log.info("service %s is scaled from %d to %d: its measure is %.1f",
                 service.name, event.before, event.after, event.measure)  # fmt: skip
        await self._rollouts.edit(control, edits.scale(service.name, wanted))
        followed.events.append(event)
        followed.scalings += 1


class Busy:
    """Which part of a core the handlers of NFs take, from one look to the next."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._cycles: dict[str, int] = {}
        self._looked = 0.0

    async def percent(self, control: Control, nfs: Iterable[Mapping[str, Any]]) -> dict[str, float]:
        """Percent of a core by NF; 0 for one that is new.  Raises DataplaneError."""
        hz = (await control.request("latency"))["hz"]
        cycles = {
            nf.name: nf.counters.handler_cycles
            for nf in (await self._counting.take(control, {})).nfs
        }
        passed, self._looked = time.monotonic() - self._looked, time.monotonic()
        before, self._cycles = self._cycles, cycles
        used = {name: now - before.get(name, now) for name, now in cycles.items()}
        return {nf["name"]: max(0, used.get(nf["name"], 0)) / hz / passed * 100 for nf in nfs}

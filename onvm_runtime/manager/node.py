# SPDX-License-Identifier: BSD-3-Clause
"""One node: its parts, and how they follow the data plane."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from onvm_runtime.chains import Catalogue, Problem, SpecError
from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager import driver, models, tracing
from onvm_runtime.manager.autoscaling import Autoscaling
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.counting import Counting
from onvm_runtime.manager.dataplane import Dataplane
from onvm_runtime.manager.draining import Draining
from onvm_runtime.manager.failure import Unavailable
from onvm_runtime.manager.fleet import Fleet
from onvm_runtime.manager.in_force import InForce
from onvm_runtime.manager.lease import Lease
from onvm_runtime.manager.ports import Ports
from onvm_runtime.manager.rollout import Rollouts
from onvm_runtime.manager.sampling import Sampling
from onvm_runtime.manager.state import StateFile
from onvm_runtime.manager.weighing import Weighing
from onvm_runtime.telemetry.latency import Latency
from onvm_runtime.telemetry.snapshot import Snapshot
from onvm_runtime.telemetry.trace import Kind

log = logging.getLogger(__name__)


class Node:
    """Everything that the manager looks after."""

    def __init__(self, config: NodeConfig) -> None:
        """Reads the catalogue and the desired state; raises SpecError and ManagerError."""
        self.config = config
        self.catalogue = read_catalogue(config.catalogue)
        self.ports = Ports(config)
        self.fleet = Fleet(config, self.catalogue, driver.make(config))
        self.in_force = InForce()
        self.rollouts = Rollouts(
            self.catalogue,
            self.ports,
            self.fleet,
            self.in_force,
            StateFile(config.directories.state),
        )
        self.lease = Lease(config.directories.run)
        self.dataplane = Dataplane(config, self)
        self.sampling = Sampling(config.dataplane.latency_sample)
        self._counting = Counting()
        self.draining = Draining(self.rollouts)
        self.autoscaling = Autoscaling(self.rollouts, self._counting)
        self.weighing = Weighing(self.fleet, self.in_force, self._counting)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Adopts NFs that run, then begins to keep everything right."""
        desired = self.rollouts.desired
        await self.fleet.adopt(desired.instances(), desired.stopped)
        self._tasks = {
            asyncio.create_task(self.dataplane.run()),
            asyncio.create_task(self.ports.keep_trying(self._connected, self._resend)),
            asyncio.create_task(self.draining.run(self._connected)),
            asyncio.create_task(self.autoscaling.run(self._connected)),
            asyncio.create_task(self.weighing.run(self._connected)),
        }

    async def broken(self) -> None:
        """Waits until something that should run for ever has failed, and raises what failed it.

        That is a mistake in the manager: a fresh one does better than half of this one.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def leave(self) -> None:
        """Stops looking after the node; NFs and data plane go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop_all(self) -> None:
        """Ends every NF and the data plane.  The desired state is kept.

        Raises DriverError once all have ended, if traces of NFs are left.
        """
        try:
            await self.fleet.clear(self._connected())
        finally:
            await self.dataplane.stop()

    def control(self) -> Control:
        """The connection to the data plane; raises Unavailable."""
        return self.dataplane.control()

    async def snapshot(self) -> Snapshot:
        """All counters; raises Unavailable."""
        try:
            return await self._counting.take(self.control(), self.in_force.paths)
        except DataplaneError as error:
            raise Unavailable(str(error)) from error

    async def latency(self) -> Latency:
        """All histograms; raises Unavailable."""
        try:
            return await self._counting.take_latency(self.control(), self.in_force.paths)
        except DataplaneError as error:
            raise Unavailable(str(error)) from error

    async def traces(self, kind: Kind) -> models.Traces:
        """The packets that were sampled, or the probes, that came last; raises Unavailable."""
        try:
            taken, status, hz = await self._counting.take_traces(self.control(), kind)
        except DataplaneError as error:
            raise Unavailable(str(error)) from error
        names = tracing.Names(status, self.rollouts.desired.plan, hz)
        return models.Traces(passages=[names.passage(passage) for passage in taken])

    async def restore(self, control: Control) -> None:
        """Makes a data plane what it should be; changes nothing that is right."""
        await self.sampling.restore(control)
        await self.ports.reconcile(control)
        self.in_force.learn((await control.request("status"))["chains"])
        desired = self.rollouts.desired
        await self.fleet.restore(control, desired.stopped, desired.draining)
        await self.in_force.send(control, desired.plan, self.ports.open())
        await self.fleet.dismiss_others(control, desired.stopped)

    def on_event(self, event: dict[str, Any]) -> None:
        """Takes an event of the control channel."""
        if event["event"] == "nf":
            self._counting.on_event(event)
            self.fleet.on_event(event)
        elif event["event"] == "chain" and event["state"] == "drained":
            self.in_force.drained(event["id"])
        elif event["event"] == "link":
            log.info("link %s is %s", event["name"], "up" if event["up"] else "down")
        elif event["event"] == "port":
            log.info("port %s is %s", event["name"], "up" if event["up"] else "down")

    def on_down(self) -> None:
        """The data plane is gone."""
        self._counting.on_down()
        self.fleet.on_down()
        self.in_force.learn([])

    def _connected(self) -> Control | None:
        try:
            return self.control()
        except Unavailable:
            return None

    async def _resend(self) -> None:
        """A port came up: chains that waited for it go into force."""
        desired = self.rollouts.desired
        await self.in_force.send(self.control(), desired.plan, self.ports.open())


def read_catalogue(directory: Path) -> Catalogue:
    """The NFs that can be run here: `<directory>/<nf>/nf.yml`; raises SpecError."""
    return Catalogue.load((str(path), _text(path)) for path in sorted(directory.glob("*/nf.yml")))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(str(path), 1, "", f"cannot be read: {error}")]) from error

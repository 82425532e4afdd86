# SPDX-License-Identifier: BSD-3-Clause
"""All instances of a node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from onvm_runtime.chains import Catalogue
from onvm_runtime.chains import Instance as Wanted
from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.driver import FUSED, Driver, Handle, Launch, Member
from onvm_runtime.manager.failure import DriverError, Failed, NotFound
from onvm_runtime.manager.instance import Instance
from onvm_runtime.manager.joining import JoiningDriver
from onvm_runtime.manager.placement import Place
from onvm_runtime.manager.placing import Placing

# An NF handles messages in order, so its answer to this proves that it has read its
# parameters.  That most NFs know no such question does not matter.
BARRIER = {"query": "ready"}

# How long NFs and chains that an earlier manager removed are waited for: 5 s.
QUIET_LOOKS = 250
LOOK_SECONDS = 0.02

Status = dict[str, Any]

log = logging.getLogger(__name__)


class Fleet:
    """The instances by name, and what the data plane is told about them."""

    def __init__(self, config: NodeConfig, catalogue: Catalogue, driver: Driver) -> None:
        self._config = config
        self._catalogue = catalogue
        self._driver = JoiningDriver(driver, self._complete)
        self.placing = Placing(config)
        self._orphans: dict[str, Handle] = {}
        self._refusals: dict[str, str] = {}
        self._idle: set[str] = set()  # those that get no new flows
        self.instances: dict[str, Instance] = {}

    def __getitem__(self, name: str) -> Instance:
        """The instance of that name; raises NotFound."""
        try:
            return self.instances[name]
        except KeyError:
            known = ", ".join(self.instances) or "none"
            raise NotFound(f"there is no NF {name}; there are: {known}") from None

    async def adopt(self, wanted: Iterable[Wanted], stopped: Collection[str]) -> None:
        """Takes over what runs already; the rest begins with the data plane."""
        try:
            running = await self._driver.running()
        except DriverError as error:
            log.error("%s; instances are adopted when they are started", error)
            running = {}
        adopted = set()
        for name, handle in running.items():
            self.placing.adopt(name, handle.pid)
        for instance in wanted:
            self.instances[instance.name] = self._make(instance)
            process = _process(instance)
            if process in running and instance.name not in stopped:
                self.instances[instance.name].begin(running[process])
                adopted.add(process)
        self._orphans = {name: handle for name, handle in running.items() if name not in adopted}
        await self._place()

    async def restore(
        self, control: Control, stopped: Collection[str], draining: Collection[str]
    ) -> None:
        """Has the data plane expect every instance that shall run.  Raises DataplaneError."""
        self._idle = set(draining)
        # An earlier manager may have died while it removed NFs: their names come free first.
        status = await _status_when(control, lambda now: not _leaving(now))
        states = {nf["name"]: nf["state"] for nf in status["nfs"]}
        wanted = {name: one for name, one in self.instances.items() if name not in stopped}
        for instance in wanted.values():
            await self._expect(control, instance.wanted)
        for name, instance in wanted.items():
            if not instance.begun:
                instance.begin()
            instance.report(states.get(name, "expected"))

    async def dismiss_others(self, control: Control, stopped: Collection[str]) -> None:
        """Ends what an earlier manager left and nobody wants, once no chain needs it."""
        status = await control.request("status")
        wanted = self.instances.keys() - stopped
        others = {nf["name"] for nf in status["nfs"]} - wanted
        if others:
            await _status_when(control, lambda now: not _draining(now))
        await asyncio.gather(*(_forget(control, name) for name in others))
        await self._end_orphans()

    def on_event(self, event: dict[str, Any]) -> None:
        """Passes an `nf` event of the control channel on."""
        name, state, reason = event["name"], event["state"], event.get("reason")
        if state == "failed":
            self._refusals[name] = str(reason)
        if name in self.instances:
            self.instances[name].report(state, reason)

    def on_down(self) -> None:
        """The data plane is gone: nobody is attached."""
        for instance in self.instances.values():
            if instance.begun:
                instance.report("away")

    async def add(self, control: Control, wanted: Collection[Wanted]) -> None:
        """Has instances expected, then begins them; they get no flows yet.

        Raises DataplaneError.

        All first, then any: a process that several share finds the sockets of all.
        """
        for one in wanted:
            self.instances.setdefault(one.name, self._make(one))
        self._idle |= {one.name for one in wanted}
        await self._place()
        for one in wanted:
            await self._expect(control, one)
        for one in wanted:
            self.instances[one.name].begin()

    def mates(self, name: str) -> list[str]:
        """The instances in the process of one, itself included.  Raises NotFound."""
        process = _process(self[name].wanted)
        return [n for n, one in self.instances.items() if _process(one.wanted) == process]

    async def weigh(self, control: Control, names: Iterable[str]) -> None:
        """Has instances take their share of new flows, all at once.  Raises DataplaneError."""
        weights = {name: self[name].wanted.weight for name in names}
        self._idle -= weights.keys()
        if weights:
            await control.request("nf.weigh", weights=weights)

    async def relieve(self, control: Control, names: Iterable[str]) -> None:
        """Has instances get no new flows.  Raises DataplaneError."""
        weights = dict.fromkeys(names, 0)
        self._idle |= weights.keys()
        if weights:
            await control.request("nf.weigh", weights=weights)

    def stateful(self, nf: str, said: bool | None) -> bool:
        """Whether instances of an NF know their flows, unless the chains file has said it."""
        if said is not None:
            return said
        entry = self._catalogue.get(nf)
        return entry is not None and entry.stateful

    async def halt(self, control: Control | None, name: str) -> None:
        """Takes an instance out of the path, then ends it; it stays listed.

        Its process ends with the last of its instances, or with one after LEAVE_SECONDS: to
        be done for all of `mates` at once.
        """
        instance = self[name]
        await instance.retire()
        if control:
            await _forget(control, name)
        await instance.end()

    async def remove(self, control: Control | None, name: str) -> None:
        """Halts an instance and removes all traces of it.  Raises DriverError."""
        await self.halt(control, name)
        process, others = _process(self[name].wanted), self.mates(name)
        del self.instances[name]
        await self._place()
        if others == [name]:
            await self._driver.remove(process)

    async def clear(self, control: Control | None) -> None:
        """Removes all instances.  Raises DriverError once all have ended, if traces are left."""
        names = list(self.instances)
        removals = (self.remove(control, name) for name in names)
        results = await asyncio.gather(*removals, return_exceptions=True)
        failed = {n: e for n, e in zip(names, results, strict=True) if e is not None}
        for error in failed.values():
            if not isinstance(error, DriverError):
                raise error
        if failed:
            first = next(iter(failed.values()))
            raise DriverError(f"what {', '.join(failed)} left could not be removed: {first}")

    async def reconfigure(self, control: Control, wanted: Wanted) -> None:
        """Gives an instance other parameters, without a packet lost.

        Raises Failed with the NF's own words when it refuses them, and
        DataplaneError.
        """
        instance = self[wanted.name]
        self._refusals.pop(wanted.name, None)
        await self._expect(control, wanted)
        if instance.state == "running":
            await _pass_barrier(control, wanted.name)
            if wanted.name in self._refusals:
                raise Failed(f"NF {wanted.name} refuses: {self._refusals[wanted.name]}")
        instance.renew(wanted)
        await self._place()

    async def logs(self, name: str, lines: int) -> str:
        """The last lines that an instance wrote.  Raises NotFound and DriverError."""
        return await self._driver.logs(_process(self[name].wanted), lines)

    def place(self, name: str) -> Place:
        """Where an instance runs."""
        return self.placing.places[_process(self[name].wanted)]

    def weight(self, name: str) -> int:
        """The weight of an instance's process."""
        return self.placing.weight(_process(self[name].wanted))

    def weighed_by_rate(self) -> dict[str, list[str]]:
        """The processes whose weight follows what arrives, with their instances."""
        members: dict[str, list[str]] = {}
        for name, one in self.instances.items():
            if one.wanted.by_rate:
                members.setdefault(_process(one.wanted), []).append(name)
        return members

    async def weigh_cpu(self, weights: Mapping[str, int]) -> None:
        """Gives the processes that follow what arrives these weights."""
        self.placing.follow(weights)
        await self._place()

    def weighs_by(self, name: str) -> str:
        """What an instance's weight is enforced by: cgroup, or nice."""
        return self._driver.weighs_by(_process(self[name].wanted))

    async def _place(self) -> None:
        """Places all processes anew, and moves those that run elsewhere."""
        changed = self.placing.renew(one.wanted for one in self.instances.values())
        for one in list(self.instances.values()):
            process = _process(one.wanted)
            if process not in changed or not one.pid:
                continue
            changed.discard(process)
            try:
                await self._driver.adjust(launch(one.wanted, self._config), one.pid)
            except DriverError as error:
                log.error("%s", error)

    def _complete(self, started: Launch) -> Launch:
        name = started.instance
        return replace(started, cpus=self.placing.cpus(name), cpu_weight=self.placing.weight(name))

    def _make(self, wanted: Wanted) -> Instance:
        return Instance(wanted, launch(wanted, self._config), self._driver)

    async def _expect(self, control: Control, wanted: Wanted) -> None:
        await control.request(
            "nf.expect",
            name=wanted.name,
            service=wanted.service,
            parameters=self._parameters(wanted),
            branches=list(wanted.branches),
            uid=self._config.nf.user,
            gid=self._config.nf.user,
            dedicated=self.placing.polls(_process(wanted)),
            **({"group": wanted.group} if wanted.group else {}),
            weight=0 if wanted.name in self._idle else wanted.weight,
            stateful=self.stateful(wanted.nf, wanted.stateful),
        )

    def _parameters(self, wanted: Wanted) -> dict[str, Any]:
        """What an instance is told, its number included if it has to know its share."""
        entry = self._catalogue.get(wanted.nf)
        number = {"replica": wanted.number} if entry and entry.shares else {}
        return {**wanted.parameters, **number}

    async def _end_orphans(self) -> None:
        orphans, self._orphans = self._orphans, {}
        for name, handle in orphans.items():
            log.info("NF %s runs but belongs to no service: it is ended", name)
            await handle.stop()
            try:
                await self._driver.remove(name)
            except DriverError as error:
                log.error("%s", error)


def launch(wanted: Wanted, config: NodeConfig) -> Launch:
    """How the process of an instance is started; the same for all that share it."""
    nfs = config.directories.run / "nf"
    if not wanted.fused:
        return Launch(wanted.name, wanted.service, wanted.nf, nfs / wanted.name)
    members = tuple(Member(name, nf, nfs / name) for name, nf in wanted.fused)
    return Launch(wanted.group, FUSED, FUSED, nfs / wanted.group, members)


def _process(wanted: Wanted) -> str:
    """The name of the launch that runs an instance."""
    return wanted.group or wanted.name


def _leaving(status: Status) -> bool:
    return any(nf["leaving"] for nf in status["nfs"])


def _draining(status: Status) -> bool:
    return any(chain["draining"] for chain in status["chains"])


async def _status_when(control: Control, holds: Callable[[Status], bool]) -> Status:
    """The status of the data plane once it is so, or the last after QUIET_LOOKS."""
    for _ in range(QUIET_LOOKS):
        status = await control.request("status")
        if holds(status):
            break
        await asyncio.sleep(LOOK_SECONDS)
    return status


async def _forget(control: Control, name: str) -> None:
    """Has the data plane forget an NF; one that it does not know is forgotten already."""
    try:
        await control.request("nf.forget", name=name)
    except DataplaneError as error:
        log.info("NF %s was not forgotten: %s", name, error)


async def _pass_barrier(control: Control, name: str) -> None:
    try:
        await control.request("nf.query", name=name, request=BARRIER)
    except DataplaneError:
        if control.closed:
            raise

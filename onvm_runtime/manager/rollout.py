# SPDX-License-Identifier: BSD-3-Clause
"""From one spec to the next, without a packet that sees half of both.

    check      everything that can be wrong, before anything changes
    start      instances that are new; they get no packets yet
    configure  instances whose parameters differ
    keep       the new desired state: from here on a restarted manager goes forward
    balance    new instances take their share of new flows, those that are to go none
    switch     the data plane takes all chains and rules at once
    drain      until no packet is on a chain that is gone
    end        instances that nobody needs; but stateful ones keep their flows for a while

Whatever fails up to the switch is undone, in reverse order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

from onvm_runtime.chains import (
    Catalogue,
    Change,
    LabSpec,
    OutOfIds,
    Problem,
    SpecError,
    check,
    compile_plan,
    diff,
    dump,
    instances,
)
from onvm_runtime.chains import Instance as Wanted
from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager import edits
from onvm_runtime.manager.failure import Conflict, Failed, ManagerError, Unavailable
from onvm_runtime.manager.fleet import Fleet
from onvm_runtime.manager.in_force import InForce
from onvm_runtime.manager.ports import Ports
from onvm_runtime.manager.state import Desired, StateFile

START_SECONDS = 30.0  # for all new instances to start and attach
DRAIN_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a rollout did.

    draining  instances that go when they have no flows left, or their time is up
    drained   False when packets were still on old chains
    """

    changes: list[Change]
    started: list[str]
    reconfigured: list[str]
    ended: list[str]
    draining: list[str]
    drained: bool
    seconds: float


class Rollouts:
    """One rollout at a time."""

    def __init__(
        self, catalogue: Catalogue, ports: Ports, fleet: Fleet, in_force: InForce, kept: StateFile
    ) -> None:
        self.desired = kept.read()
        self.busy = False
        self._catalogue = catalogue
        self._ports = ports
        self._fleet = fleet
        self._in_force = in_force
        self._kept = kept
        self._turn = asyncio.Lock()

    def check(self, text: str, source: str) -> LabSpec:
        """Reads a spec against this node; raises SpecError with all problems."""
        ports, cpus = list(self._ports.wanted), self._fleet.placing.known
        spec = check(text, source, self._catalogue, ports, cpus)
        _refuse_other_nfs(self.desired.spec, spec)
        return spec

    def diff(self, text: str, source: str) -> list[Change]:
        """What applying the text would change; raises SpecError."""
        kept, source = self._keeping_replicas(text, source)
        return diff(self.desired.spec, self.check(kept, source))

    async def apply(self, control: Control, text: str, source: str) -> Outcome:
        """Makes the text the desired state, or changes nothing.

        Raises SpecError, Conflict while another rollout runs, NoSpace, Failed and
        Unavailable.
        """
        async with self._exclusively():
            return await self._roll(control, *self._keeping_replicas(text, source))

    async def edit(self, control: Control, change: Callable[[LabSpec], LabSpec]) -> Outcome:
        """Applies the present spec with a change, written out anew.  Raises as `apply` does."""
        async with self._exclusively():
            text = dump(change(self.desired.spec))
            return await self._roll(control, text, edits.source(self.desired.source))

    async def stop(self, control: Control, name: str) -> None:
        """Stops an instance, and those fused with it, until `start`.

        Raises NotFound, Conflict, NoSpace.
        """
        async with self._exclusively():
            await self._end(control, self._fleet.mates(name))

    async def start(self, control: Control, name: str) -> None:
        """Starts an instance at once; one that runs or starts is left alone.

        Raises NotFound, Conflict, NoSpace and Unavailable.
        """
        async with self._exclusively():
            names = self._staying(name)
            self._keep(self._without(names))
            if self._fleet[name].state not in ("starting", "running"):
                await self._begin_anew(control, names)
            with _explained(control):
                await self._fleet.weigh(control, names)

    async def restart(self, control: Control, name: str) -> None:
        """Ends an instance's process and starts another.  Raises as `start` does."""
        async with self._exclusively():
            names = self._staying(name)
            self._keep(self._without(names))
            await self._begin_anew(control, names)
            with _explained(control):
                await self._fleet.weigh(control, names)

    async def drain(self, control: Control, name: str) -> None:
        """Gives an instance no new flows, and has it stopped when it has none left.

        Those that are fused with it pass on what it gets, and go with it.

        At the latest when its service's drain_seconds are over.  Raises NotFound, Conflict
        and NoSpace.
        """
        async with self._exclusively():
            names, wanted = self._staying(name), self._fleet[name].wanted
            if self._fleet[name].state != "running":
                raise Conflict(f"NF {name} does not run: there is nothing to drain")
            until = time.time() + self.desired.spec.services[wanted.service].drain_seconds
            draining = {**dict.fromkeys(names, until), **self.desired.draining}
            self._keep(replace(self.desired, draining=draining))
            with _explained(control):
                await self._fleet.relieve(control, names)

    async def end_drained(self, control: Control, name: str) -> None:
        """Ends an instance that has drained, unless a rollout is under way.  Raises NoSpace."""
        if not self.busy and name in self.desired.draining:
            async with self._turn:
                await self._end(control, self._fleet.mates(name))

    async def _end(self, control: Control, names: list[str]) -> None:
        """Stops the instances of a process; removes one that drained because it is to go."""
        rest = self._without(names)
        if names[0] in {wanted.name for wanted in instances(self.desired.spec)}:
            self._keep(replace(rest, stopped=rest.stopped.union(names)))
            await self._halt(control, names)
        else:
            self._keep(rest)
            await asyncio.gather(*(self._remove(control, name) for name in names))

    def _staying(self, name: str) -> list[str]:
        """The instances in the process of one.

        Raises NotFound, and Conflict for one that is on its way out.
        """
        names = self._fleet.mates(name)
        if name not in {wanted.name for wanted in instances(self.desired.spec)}:
            raise Conflict(f"NF {name} drains and then goes: scale its service up to keep it")
        return names

    def _without(self, names: Collection[str]) -> Desired:
        """The desired state, in which these are neither stopped nor drain."""
        draining = {name: end for name, end in self.desired.draining.items() if name not in names}
        stopped = self.desired.stopped.difference(names)
        return replace(self.desired, stopped=stopped, draining=draining)

    async def _begin_anew(self, control: Control, names: list[str]) -> None:
        await self._halt(control, [name for name in names if self._fleet[name].begun])
        with _explained(control):
            await self._fleet.add(control, [self._fleet[name].wanted for name in names])

    async def _halt(self, control: Control, names: list[str]) -> None:
        await asyncio.gather(*(self._fleet.halt(control, name) for name in names))

    async def _roll(self, control: Control, text: str, source: str) -> Outcome:
        began = time.monotonic()
        old, spec = self.desired, self.check(text, source)
        self._need_ports(spec)
        new = self._desire(spec, text, source)
        steps = Steps.between(old, new)
        with _explained(control):
            await self._switch(control, old, new, steps)
        drained = await self._finish(control, steps)
        outcome = Outcome(
            changes=diff(old.spec, spec),
            started=[wanted.name for wanted in steps.new],
            reconfigured=[wanted.name for wanted, _ in steps.changed],
            ended=steps.gone,
            draining=sorted(new.draining),
            drained=drained,
            seconds=time.monotonic() - began,
        )
        log.info("applied %s: %d changes", source, len(outcome.changes))
        return outcome

    def _need_ports(self, spec: LabSpec) -> None:
        """Refuses chains whose ports are not open: they could not work."""
        needed = {match.port for chain in spec.chains for match in chain.match}
        needed |= {chain.egress for chain in spec.chains if isinstance(chain.egress, str)}
        needed |= {link.port for link in spec.links.values()}
        for name, error in self._ports.errors.items():
            if name in needed:
                raise Conflict(f"port {name} is not open: {error}")

    def _desire(self, spec: LabSpec, text: str, source: str) -> Desired:
        try:
            plan = compile_plan(spec, self.desired.plan, self._in_force.draining)
        except OutOfIds as error:
            raise Conflict(str(error)) from error
        names = {wanted.name for wanted in instances(spec)}
        stopped = self.desired.stopped & names
        return Desired(source, text, spec, plan, stopped, self._who_drains(spec))

    def _who_drains(self, spec: LabSpec) -> dict[str, float]:
        """Until when: those that drained already and are not wanted again, and those to go."""
        before = {wanted.name: wanted for wanted in instances(self.desired.spec)}
        names = {wanted.name for wanted in instances(spec)}
        leaving = [
            wanted
            for name, wanted in before.items()
            if name not in names and wanted.service in spec.services and self._has_flows(wanted)
        ]
        until = {w.name: time.time() + spec.services[w.service].drain_seconds for w in leaving}
        still = {
            name: end
            for name, end in self.desired.draining.items()
            if name.rpartition("-")[0] in spec.services and (name in before or name not in names)
        }
        return {**until, **still}

    def _has_flows(self, wanted: Wanted) -> bool:
        running = self._fleet.instances.get(wanted.name)
        drains = running is not None and running.state == "running" and not wanted.fused
        return drains and self._fleet.stateful(wanted.nf, wanted.stateful)

    def _keeping_replicas(self, text: str, source: str) -> tuple[str, str]:
        """The text in which services keep the replicas that autoscaling has given them.

        Raises SpecError.
        """
        spec = self.check(text, source)
        kept = edits.keep_autoscaled(self.desired.spec, spec)
        return (text, source) if kept == spec else (dump(kept), edits.source(source))

    async def _switch(self, control: Control, old: Desired, new: Desired, steps: Steps) -> None:
        async with AsyncExitStack() as undo:
            started = [wanted.name for wanted in steps.new]
            undo.push_async_callback(self._remove_all, control, started)
            await self._fleet.add(control, steps.new)
            await self._until_running(started)
            for wanted, before in steps.changed:
                undo.push_async_callback(self._reconfigure_back, control, before)
                await self._fleet.reconfigure(control, wanted)
            await self._until_running([wanted.name for wanted, _ in steps.changed])
            self._keep(new)
            undo.callback(self._keep_again, old)
            undo.push_async_callback(self._balance_back, control, steps)
            await self._balance(control, steps)
            if new.plan != old.plan:
                await self._in_force.send(control, new.plan, self._ports.open())
            undo.pop_all()

    async def _balance(self, control: Control, steps: Steps) -> None:
        await self._fleet.weigh(control, [*(wanted.name for wanted in steps.new), *steps.back])
        await self._fleet.relieve(control, steps.relieved)

    async def _balance_back(self, control: Control, steps: Steps) -> None:
        try:
            await self._fleet.weigh(control, steps.relieved)
            await self._fleet.relieve(control, steps.back)
        except (ManagerError, DataplaneError) as error:
            log.error("new flows are not spread as before: %s", error)

    async def _until_running(self, names: list[str]) -> None:
        starts = [asyncio.create_task(self._fleet[name].settled()) for name in names]
        if starts:
            await asyncio.wait(starts, timeout=START_SECONDS)
        for name, start in zip(names, starts, strict=True):
            start.cancel()
            state, reason = start.result() if start.done() else ("starting", "does not attach")
            if state == "failed":
                raise Failed(f"NF {name} refuses its parameters: {reason}")
            if state != "running":
                raise Failed(f"NF {name} {reason}")

    async def _finish(self, control: Control, steps: Steps) -> bool:
        drained = await self._in_force.drain(DRAIN_SECONDS)
        if not drained:
            log.warning("chains %s still have packets on their way", self._in_force.draining)
        await self._remove_all(control, steps.gone)
        return drained

    async def _remove_all(self, control: Control, names: list[str]) -> None:
        await asyncio.gather(*(self._remove(control, name) for name in names))

    async def _remove(self, control: Control, name: str) -> None:
        try:
            if name in self._fleet.instances:
                await self._fleet.remove(control, name)
        except ManagerError as error:
            log.error("NF %s is not removed: %s", name, error)

    async def _reconfigure_back(self, control: Control, before: Wanted) -> None:
        try:
            await self._fleet.reconfigure(control, before)
        except (ManagerError, DataplaneError) as error:
            log.error("NF %s did not take its old parameters back: %s", before.name, error)

    def _keep(self, desired: Desired) -> None:
        self._kept.write(desired)
        self.desired = desired

    def _keep_again(self, old: Desired) -> None:
        self.desired = old
        try:
            self._kept.write(old)
        except ManagerError as error:
            log.error("%s", error)

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[None]:
        """One change by users at a time; an instance that is just being ended is waited for."""
        if self.busy:
            raise Conflict("a rollout is under way: try again when it is done")
        self.busy = True
        try:
            async with self._turn:
                yield
        finally:
            self.busy = False


@dataclass(frozen=True)
class Steps:
    """What has to be done to instances.

    changed   each as it shall be, and as it was
    gone      to be ended at once
    relieved  to drain from now on
    back      that drained, and shall not any more
    """

    new: list[Wanted]
    changed: list[tuple[Wanted, Wanted]]
    gone: list[str]
    relieved: list[str]
    back: list[str]

    @classmethod
    def between(cls, old: Desired, new: Desired) -> Steps:
        """The steps from one desired state to another; stopped instances stay as they are."""
        before = {wanted.name: wanted for wanted in old.instances()}
        after = [wanted for wanted in instances(new.spec) if wanted.name not in new.stopped]
        names = {wanted.name for wanted in new.instances()}
        return cls(
            new=[wanted for wanted in after if wanted.name not in before],
            changed=[
                (wanted, before[wanted.name])
                for wanted in after
                if wanted != before.get(wanted.name, wanted)
            ],
            gone=[name for name in before if name not in names],
            relieved=[name for name in new.draining if name not in old.draining],
            back=[
                wanted.name
                for wanted in after
                if wanted.name in old.draining and wanted.name not in new.draining
            ],
        )


@contextmanager
def _explained(control: Control) -> Iterator[None]:
    """Turns a failure of the data plane into what a user of the API is told."""
    try:
        yield
    except DataplaneError as error:
        if control.closed:
            raise Unavailable(f"the data plane ended meanwhile ({error}): try again") from error
        raise Failed(f"the data plane refused: {error}") from error


def _refuse_other_nfs(old: LabSpec, new: LabSpec) -> None:
    """A service keeps its NF: its instances could not change theirs without a gap."""
    problems = [
        Problem(
            new.places.file,
            new.places.line(f"services.{name}.nf"),
            f"services.{name}.nf",
            f"is {old.services[name].nf} in the running service: give the service another name",
        )
        for name, service in new.services.items()
        if name in old.services and old.services[name].nf != service.nf
    ]
    if problems:
        raise SpecError(problems)

# SPDX-License-Identifier: BSD-3-Clause
"""One instance of an NF: from its start to its end, over and over.

    starting   its process starts, or is not attached to the data plane (any more)
    running    attached and configured: it gets packets
    failed     attached, but it refused its parameters; new ones may mend it
    backoff    it died, or never attached; it is started again after a pause
    stopping   on its way out
    stopped    a user stopped it

What moves it on is news from the data plane and the end of its process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Literal

from onvm_runtime.chains import Instance as Wanted
from onvm_runtime.manager.backoff import Backoff
from onvm_runtime.manager.driver import Driver, Handle, Launch
from onvm_runtime.manager.failure import DriverError

State = Literal["starting", "running", "failed", "backoff", "stopping", "stopped"]
News = tuple[str, "str | None"]
Settled = tuple[State, "str | None"]

ATTACH_SECONDS = 10.0
LEAVE_SECONDS = 2.0  # to end by itself after the data plane told it to stop
LAST_LINES = 3

log = logging.getLogger(__name__)


class Instance:
    """The state machine of one instance, and the task that drives it."""

    def __init__(self, wanted: Wanted, launch: Launch, driver: Driver) -> None:
        self.wanted = wanted
        self.state: State = "stopped"
        self.reason: str | None = None  # why it is in this state, where there is a reason
        self.last_end: str | None = None  # how its process ended last
        self.restarts = 0
        self.since = time.monotonic()
        self._launch = launch
        self._driver = driver
        self._backoff = Backoff()
        self._handle: Handle | None = None
        self._starting: asyncio.Task[Handle] | None = None
        self._task: asyncio.Task[None] | None = None
        self._news: asyncio.Queue[News] = asyncio.Queue()
        self._waiters: list[asyncio.Future[Settled]] = []
        self._deadline: float | None = None
        self._refusal: str | None = None

    @property
    def pid(self) -> int | None:
        """Its process on the host, while there is one."""
        return self._handle.pid if self._handle else None

    @property
    def begun(self) -> bool:
        """Whether anybody looks after it."""
        return self._task is not None

    def begin(self, handle: Handle | None = None) -> None:
        """Starts it, or takes over a process that runs already; deaths before do not count."""
        self._backoff.forget()
        self._handle = handle
        self._enter("starting", None)
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._broke)

    def report(self, state: str, reason: str | None = None) -> None:
        """Takes news from the data plane: a state of control.h, or "away" when it is gone."""
        self._news.put_nowait((state, reason))

    def renew(self, wanted: Wanted) -> None:
        """Takes other parameters, which the data plane has sent to the NF."""
        self.wanted = wanted
        if self.state == "failed":
            self._await_attachment()

    async def settled(self) -> Settled:
        """Waits while it starts; returns the state that came of it, and why.

        That a failed start is tried again at once does not hide it.
        """
        if self.state != "starting":
            return self.state, self.reason
        waiter: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return await waiter

    async def retire(self) -> None:
        """Looks after it no longer: when its process ends, that is all right now."""
        self._enter("stopping", None)
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._task = None

    async def end(self) -> None:
        """Ends what was retired; the data plane, if it is there, has forgotten it already."""
        await self._end_process()
        self._enter("stopped", None)

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            reason = await self._live()
            self._handle, self.last_end = None, reason
            wait = self._backoff.after(time.monotonic() - began)
            self._enter("backoff", reason)
            log.warning("NF %s %s; it is started again in %.1f s", self.wanted.name, reason, wait)
            await asyncio.sleep(wait)
            self.restarts += 1
            self._enter("starting", None)

    def _broke(self, task: asyncio.Task[None]) -> None:
        """A mistake in the manager must not leave an instance that only looks alive."""
        if not task.cancelled() and task.exception():
            log.critical("NF %s is left alone", self.wanted.name, exc_info=task.exception())
            self._enter("failed", f"the manager failed: {task.exception()!r}; see its log")

    async def _live(self) -> str:
        """One life of the process; returns how it ended."""
        try:
            handle = await self._process()
        except DriverError as error:
            return f"did not start: {error}"
        exit = asyncio.create_task(handle.ended())
        try:
            return await self._attend(handle, exit)
        finally:
            exit.cancel()

    async def _process(self) -> Handle:
        """The process: the one taken over, or a new one.

        A start goes on when this task is cancelled, so that `end` finds what it made.
        """
        if self._handle is None:
            self._starting = asyncio.create_task(self._driver.start(self._launch))
            self._handle = await asyncio.shield(self._starting)
        return self._handle

    async def _attend(self, handle: Handle, exit: asyncio.Task[str]) -> str:
        self._refusal = None
        self._deadline = time.monotonic() + ATTACH_SECONDS
        ran = False
        while True:
            news = await self._next(exit)
            if news is not None:
                self._follow(*news)
                ran = ran or self.state in ("running", "failed")
            elif exit.done():
                return await self._epitaph(exit.result(), ran)
            else:
                await handle.stop()
                how = f"was ended: it did not attach within {ATTACH_SECONDS:.0f} s"
                return await self._epitaph(how, ran)

    async def _next(self, exit: asyncio.Task[str]) -> News | None:
        """The next news; None when the process has ended or its time to attach is up."""
        getter = asyncio.create_task(self._news.get())
        patience = max(0.0, self._deadline - time.monotonic()) if self._deadline else None
        try:
            await asyncio.wait(
                {getter, exit}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            return getter.result() if getter.done() else None
        finally:
            getter.cancel()

    def _follow(self, state: str, reason: str | None) -> None:
        if state == "running":
            self._deadline = None
            self._enter("running", None)
        elif state == "failed" and self.state != "running":
            self._deadline = None
            self._enter("failed", reason)
            log.error("NF %s refuses its parameters: %s", self.wanted.name, reason)
        elif state == "refused":
            self._refusal = reason
        elif state in ("expected", "detached"):
            self._await_attachment()
        elif state == "away":
            self._await_attachment()
            self._deadline = None

    def _await_attachment(self) -> None:
        self._deadline = time.monotonic() + ATTACH_SECONDS
        self._enter("starting", None)

    async def _epitaph(self, how: str, ran: bool) -> str:
        """How a life ended, with what explains it best."""
        if self._refusal:
            return f"{how}: {self._refusal}"
        if ran:
            return how
        said = await self._last_lines()
        return f"{how}; it last said: {said}" if said else how

    async def _last_lines(self) -> str:
        try:
            lines = await self._driver.logs(self._launch.instance, LAST_LINES)
        except DriverError as error:
            return f"({error})"
        return " / ".join(lines.splitlines())

    async def _end_process(self) -> None:
        if self._starting:
            await asyncio.wait({self._starting})
            if self._starting.exception() is None:
                self._handle = self._handle or self._starting.result()
        if self._handle:
            exit = asyncio.create_task(self._handle.ended())
            done, _ = await asyncio.wait({exit}, timeout=LEAVE_SECONDS)
            if not done:
                await self._handle.stop()
            exit.cancel()
        self._handle = self._starting = None

    def _enter(self, state: State, reason: str | None) -> None:
        if state != self.state:
            log.info("NF %s: %s -> %s", self.wanted.name, self.state, state)
            self.since = time.monotonic()
        self.state, self.reason = state, reason
        if state != "starting":
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result((self.state, self.reason))

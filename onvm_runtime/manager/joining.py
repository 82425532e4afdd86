# SPDX-License-Identifier: BSD-3-Clause
"""Processes that several instances share: the first starts one, the others join it.

So an instance looks after its process as if it were its own: it sees it end, and starts it
again, with all the others that do the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onvm_runtime.manager.driver import Driver, Handle, Launch


class SharedHandle:
    """A process, for everybody who is in it."""

    def __init__(self, inner: Handle) -> None:
        self._inner = inner
        self.over = False

    @property
    def pid(self) -> int:
        """Its process on the host."""
        return self._inner.pid

    async def ended(self) -> str:
        """Waits until it has ended; returns how."""
        how = await self._inner.ended()
        self.over = True
        return how

    async def stop(self) -> None:
        """Ends it, for all."""
        await self._inner.stop()
        self.over = True


class JoiningDriver:
    """A driver whose launches of one name are one process."""

    def __init__(self, driver: Driver, complete: Callable[[Launch], Launch]) -> None:
        """`complete` adds to a launch what is known only when it starts: CPUs and weight."""
        self._driver = driver
        self._complete = complete
        self._handles: dict[str, SharedHandle] = {}
        self._starting: dict[str, asyncio.Task[SharedHandle]] = {}

    async def running(self) -> dict[str, Handle]:
        """What runs already, by the name of the launch."""
        running = await self._driver.running()
        self._handles.update({name: SharedHandle(handle) for name, handle in running.items()})
        return {name: self._handles[name] for name in running}

    async def start(self, launch: Launch) -> Handle:
        """Starts a process, or joins the one that runs; raises DriverError."""
        name = launch.instance
        known = self._handles.get(name)
        if known and not known.over:
            return known
        if name not in self._starting:
            self._starting[name] = asyncio.create_task(self._begin(launch))
        return await asyncio.shield(self._starting[name])

    async def adjust(self, launch: Launch, pid: int) -> None:
        """Gives a process the CPUs and the weight that it shall have now."""
        await self._driver.adjust(self._complete(launch), pid)

    def weighs_by(self, name: str) -> str:
        """What a process's weight is enforced by: cgroup, or nice."""
        return self._driver.weighs_by(name)

    async def remove(self, name: str) -> None:
        """Removes what a process that has ended left behind."""
        self._handles.pop(name, None)
        await self._driver.remove(name)

    async def logs(self, name: str, lines: int) -> str:
        """The last lines that a process wrote."""
        return await self._driver.logs(name, lines)

    async def _begin(self, launch: Launch) -> SharedHandle:
        try:
            handle = SharedHandle(await self._driver.start(self._complete(launch)))
            self._handles[launch.instance] = handle
            return handle
        finally:
            del self._starting[launch.instance]

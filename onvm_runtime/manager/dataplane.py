# SPDX-License-Identifier: BSD-3-Clause
"""The data plane's process: started or adopted, and started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Literal, Protocol

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager.backoff import Backoff
from onvm_runtime.manager.config import NodeConfig, PciPort
from onvm_runtime.manager.failure import Unavailable
from onvm_runtime.manager.logfile import tail
from onvm_runtime.manager.process import Process

State = Literal["starting", "running", "backoff", "stopped"]

START_SECONDS = 30.0  # DPDK looks for devices and memory first
PEEK_SECONDS = 0.005  # between two looks for its socket
END_SECONDS = 2.0  # that a data plane may take to end, once asked or cut off

log = logging.getLogger(__name__)


class Keeper(Protocol):
    """Who keeps the node right while the data plane comes and goes."""

    async def restore(self, control: Control) -> None:
        """Makes a data plane that is new, or new to us, what it should be."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Takes an event of the control channel."""

    def on_down(self) -> None:
        """Hears that the data plane is gone."""


class Dataplane:
    """Keeps one data plane running and connected."""

    def __init__(self, config: NodeConfig, keeper: Keeper) -> None:
        self._config = config
        self._keeper = keeper
        self._socket = str(config.directories.run / "control.sock")
        self._log = config.directories.log / "dataplane.log"
        self._process: Process | None = None
        self._control: Control | None = None
        self._backoff = Backoff()
        self._ending = False
        self._changed = asyncio.Event()
        self.state: State = "starting"
        self.reason: str | None = None
        self.restarts = 0
        self.since = time.monotonic()

    def control(self) -> Control:
        """The connection; raises Unavailable with the reason when there is none."""
        if self._control is None or self._control.closed:
            raise Unavailable(f"the data plane does not run: {self.reason or 'it is starting'}")
        return self._control

    async def ready(self) -> Control:
        """The connection, once a data plane that starts is what it should be.

        Raises Unavailable with the reason when it does not start.
        """
        while self.state == "starting":
            self._changed.clear()
            await self._changed.wait()
        return self.control()

    @property
    def identity(self) -> dict[str, Any]:
        """What the data plane said of itself; empty while there is none."""
        return self._control.identity if self._control else {}

    def differences(self) -> list[str]:
        """Options of node.yml that the running data plane was not started with."""
        if self._process is None or not self._process.alive:
            return []
        running = _command_line(self._process.pid)
        wanted = [str(word) for word in command(self._config)]
        if not running or running == wanted[1:]:
            return []
        return [
            f"the data plane runs with other options ({' '.join(running)}) than node.yml asks for: "
            "restart it when it may stand still"
        ]

    async def run(self) -> None:
        """Keeps it running until cancelled."""
        while not self._ending:
            began = time.monotonic()
            try:
                await self._live()
            except DataplaneError as error:
                self.reason = str(error)
            finally:
                self._hang_up()
            if not self._ending:
                await self._mourn(time.monotonic() - began)

    async def stop(self) -> None:
        """Ends the data plane, and with it all traffic."""
        self._ending = True
        self._enter("stopped", None)
        if self._control and not self._control.closed:
            await _try(self._control.request("stop"))
        if self._process and not await self._process.ends_within(END_SECONDS):
            await self._process.stop(END_SECONDS)

    async def _live(self) -> None:
        """One connection, from its start to its end."""
        self._enter("starting", self.reason)
        control = await self._connect()
        self._control = control
        await control.request("events")
        await self._keeper.restore(control)
        self._enter("running", None)
        log.info("the data plane is up: process %s", control.identity["pid"])
        async for event in control.events():
            self._keeper.on_event(event)
        raise DataplaneError("it closed the control channel")

    async def _connect(self) -> Control:
        """Adopts the data plane that listens, or starts one; raises DataplaneError."""
        control = await self._listening()
        if control is None:
            await self._end_process()
            return await self._start()
        self._adopt(control.identity["pid"])
        return control

    def _adopt(self, pid: int) -> None:
        if self._process is None or self._process.pid != pid or not self._process.alive:
            try:
                self._process = Process(pid)
            except ProcessLookupError as error:
                raise DataplaneError("it ended while the manager connected") from error

    async def _start(self) -> Control:
        begin = self._log.stat().st_size if self._log.exists() else 0
        try:
            self._process = Process.spawn(command(self._config), os.environ, self._log)
        except OSError as error:
            program = self._config.dataplane.program
            raise DataplaneError(f"cannot start {program}: {error.strerror}") from error
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.alive:
            control = await self._listening()
            if control:
                return control
            await asyncio.sleep(PEEK_SECONDS)
        raise DataplaneError(await self._last_words(begin))

    async def _listening(self) -> Control | None:
        try:
            return await Control.connect(self._socket)
        except DataplaneError:
            return None

    async def _last_words(self, begin: int) -> str:
        assert self._process is not None
        if self._process.alive:
            await self._process.stop(END_SECONDS)
            how = f"did not listen within {START_SECONDS:.0f} s"
        else:
            how = await self._process.ended()
        said = tail(self._log, 1, begin if self._log.stat().st_size >= begin else 0)
        return f"onvm-dataplane {how}: {said}" if said else f"onvm-dataplane {how}"

    async def _end_process(self) -> None:
        """Makes sure that two data planes never share a node."""
        if self._process and not await self._process.ends_within(END_SECONDS):
            log.warning("the data plane does not answer and does not end: it is killed")
            await self._process.stop(0)
        self._process = None

    def _hang_up(self) -> None:
        if self._control:
            self._control.close()
            self._keeper.on_down()
        self._control = None

    async def _mourn(self, lived: float) -> None:
        wait = self._backoff.after(lived)
        self._enter("backoff", self.reason)
        self.restarts += 1
        log.error("the data plane is down: %s; it is started again in %.1f s", self.reason, wait)
        await asyncio.sleep(wait)

    def _enter(self, state: State, reason: str | None) -> None:
        self.state, self.reason, self.since = state, reason, time.monotonic()
        self._changed.set()


def command(config: NodeConfig) -> list[str | Path]:
    """The command line that starts the data plane of a node."""
    plane = config.dataplane
    options = {
        "run-dir": config.directories.run,
        "cores": ",".join(map(str, plane.cores)),
        "buffers": plane.buffers,
        "buffer-size": plane.buffer_size,
        "flows": plane.flows,
        "hugepages": plane.hugepages,
        "idle": plane.idle,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    devices = [port.address for port in config.ports if isinstance(port, PciPort)]
    return [plane.program, *words, *(word for address in devices for word in ("--pci", address))]


def _command_line(pid: int) -> list[str]:
    """The arguments of a process; none when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words[1:-1]]


async def _try(request: Awaitable[Any]) -> None:
    """Asks a data plane that may be about to end."""
    try:
        await request
    except DataplaneError as error:
        log.info("the data plane ended before it answered: %s", error)

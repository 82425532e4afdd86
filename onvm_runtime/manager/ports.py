# SPDX-License-Identifier: BSD-3-Clause
"""Ports: open what node.yml lists, and go on trying where that fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.state import write_atomically

Request = dict[str, Any]

RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


class Ports:
    """The wanted ports.  `errors`: why some are not open, or not gone, by name."""

    def __init__(self, config: NodeConfig) -> None:
        self._wanted: dict[str, Request] = {port.name: port.request() for port in config.ports}
        self._memory = _Memory(config.directories.run / "ports.json")
        self.errors: dict[str, str] = {}

    @property
    def wanted(self) -> dict[str, Request]:
        """The port.add requests of node.yml, by name and in its order."""
        return dict(self._wanted)

    def open(self) -> set[str]:
        """The wanted ports that are open."""
        return self._wanted.keys() - self.errors.keys()

    async def reconcile(self, control: Control) -> None:
        """Makes the data plane's ports those of node.yml; touches none that is right.

        What the data plane refuses is left in `errors`.  Raises DataplaneError
        when the data plane is gone.
        """
        before, self.errors = self.errors, {}
        present = await self._present(control)
        for name in [name for name, request in present.items() if self._is_stale(name, request)]:
            if await self._attempt(control, name, "port.remove", {"name": name}):
                del present[name]
        for name, request in self._wanted.items():
            if name not in present and await self._attempt(control, name, "port.add", request):
                present[name] = request
        self._memory.write(control.identity["pid"], present)
        self._report(before)

    async def keep_trying(
        self, control: Callable[[], Control | None], opened: Callable[[], Awaitable[None]]
    ) -> None:
        """Tries again what failed, until cancelled; calls `opened` when a port came up."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            connected, before = control(), self.open()
            if not self.errors or connected is None:
                continue
            try:
                await self.reconcile(connected)
                if self.open() - before:
                    await opened()
            except DataplaneError as error:
                log.warning("ports could not be tried again: %s", error)

    async def _present(self, control: Control) -> dict[str, Request]:
        """The data plane's ports, with the requests that opened them."""
        opened = self._memory.read(control.identity["pid"])
        names = [port["name"] for port in (await control.request("status"))["ports"]]
        return {name: opened.get(name, self._wanted.get(name, {})) for name in names}

    def _is_stale(self, name: str, request: Request) -> bool:
        return self._wanted.get(name) != request

    async def _attempt(self, control: Control, name: str, op: str, request: Request) -> bool:
        try:
            await control.request(op, **request)
        except DataplaneError as error:
            if control.closed:
                raise
            self.errors[name] = str(error)
        return name not in self.errors

    def _report(self, before: dict[str, str]) -> None:
        for name, error in self.errors.items():
            if before.get(name) != error:
                log.error("port %s: %s; it is tried again every %.0f s", name, error, RETRY_SECONDS)
        for name in before.keys() - self.errors.keys():
            log.info("port %s is right now", name)


class _Memory:
    """How each port was opened: the data plane does not say, and the manager may be new."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, pid: int) -> dict[str, Request]:
        """The requests by name; none when they are of another data plane."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(kept["ports"]) if kept.get("pid") == pid else {}

    def write(self, pid: int, ports: dict[str, Request]) -> None:
        """Keeps them for the next manager."""
        try:
            write_atomically(self._path, json.dumps({"pid": pid, "ports": ports}))
        except OSError as error:
            log.warning("cannot keep %s: %s", self._path, error.strerror)

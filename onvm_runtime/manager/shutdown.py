# SPDX-License-Identifier: BSD-3-Clause
"""``onvm-manager --stop-all``: leaves nothing running on the node."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import time
from pathlib import Path

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager import driver
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.failure import Conflict, ManagerError
from onvm_runtime.manager.lock import Lock
from onvm_runtime.manager.process import Process
from onvm_runtime.manager.server import LOCK, SOCKET

SECONDS = 60.0  # for a running manager to stop everything
END_SECONDS = 5.0  # for the data plane to end


async def run(config: NodeConfig) -> None:
    """Stops everything, through the manager if one runs.  Raises ManagerError."""
    directory = config.directories.run
    await asyncio.to_thread(_ask_manager, directory / SOCKET)
    with await _lock(directory / LOCK):
        await _stop_nfs(config)
        await _stop_dataplane(directory / "control.sock")


def _ask_manager(path: Path) -> None:
    connection = _UnixConnection(path)
    try:
        connection.request("POST", "/v1/shutdown")
        response = connection.getresponse()
        if response.status != 200:
            raise ManagerError(f"the manager refused: {json.load(response).get('error')}")
    except (FileNotFoundError, ConnectionRefusedError):
        return  # none runs: what is left is stopped from here
    except (OSError, http.client.HTTPException) as error:
        raise ManagerError(f"the manager did not stop: {error}") from error
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connects to the manager's socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


async def _lock(path: Path) -> Lock:
    """The lock, once the manager that was asked to stop has given it up; raises Conflict."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(Conflict):
            return Lock(path)
        await asyncio.sleep(0.05)
    return Lock(path)


async def _stop_nfs(config: NodeConfig) -> None:
    runtime = driver.make(config)
    for name, handle in (await runtime.running()).items():
        await handle.stop()
        await runtime.remove(name)


async def _stop_dataplane(path: Path) -> None:
    try:
        control = await Control.connect(str(path))
        process = Process(control.identity["pid"])
        await control.request("stop")
    except (DataplaneError, ProcessLookupError):
        return  # it does not run, or ends already
    if not await process.ends_within(END_SECONDS):
        await process.stop(END_SECONDS)

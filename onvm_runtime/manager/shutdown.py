# SPDX-License-Identifier: BSD-3-Clause
"""``onvm-manager --stop-all``: leaves nothing running on the node."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import socket
import time
from pathlib import Path

from onvm_runtime.control import Control, DataplaneError
from onvm_runtime.manager import driver
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.failure import Conflict, DriverError, ManagerError
from onvm_runtime.manager.lock import Lock
from onvm_runtime.manager.process import Process
from onvm_runtime.manager.server import LOCK, SOCKET

CONTROL = "control.sock"
SECONDS = 90.0  # for a running manager to stop everything, beside an engine that hangs
END_SECONDS = 5.0  # for the data plane to end

log = logging.getLogger(__name__)


async def run(config: NodeConfig) -> None:
    """Stops everything, through the manager if one runs.

    Raises ManagerError; DriverError once all has ended but containers, which nobody could reach.
    """
    directory = config.directories.run
    await asyncio.to_thread(_ask_manager, directory / SOCKET)
    with await _lock(directory / LOCK):
        try:
            await _stop_nfs(config)
        finally:
            await _stop_dataplane(directory / CONTROL)


def _ask_manager(path: Path) -> None:
    connection = _UnixConnection(path)
    try:
        connection.request("POST", "/v1/shutdown")
        response = connection.getresponse()
        if response.status != 200:
            log.warning("the manager says: %s", json.load(response).get("error"))
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
    """Ends and removes all NFs; tells those to end that it cannot reach.  Raises DriverError."""
    try:
        runtime = driver.make(config)
        for name, handle in (await runtime.running()).items():
            await handle.stop()
            await runtime.remove(name)
    except DriverError as error:
        told = await _dismiss_nfs(config.directories.run / CONTROL)
        raise DriverError(
            f"containers could not be reached and may be left: {error}; the data plane is stopped "
            f"and has told its NFs to end ({', '.join(told) or 'none was attached'}); when the "
            "container engine answers again: "
            f"docker rm -f $(docker ps -aq --filter label=onvm.node={config.node})"
        ) from error


async def _dismiss_nfs(path: Path) -> list[str]:
    """Has the data plane, if it runs, tell all attached NFs to end; returns their names."""
    try:
        control = await Control.connect(str(path))
        nfs = (await control.request("status"))["nfs"]
        attached = [nf["name"] for nf in nfs if nf["state"] != "expected"]
        await asyncio.gather(*(control.request("nf.forget", name=name) for name in attached))
    except DataplaneError:
        return []
    control.close()
    return attached


async def _stop_dataplane(path: Path) -> None:
    try:
        control = await Control.connect(str(path))
        process = Process(control.identity["pid"])
        await control.request("stop")
    except (DataplaneError, ProcessLookupError):
        return  # it does not run, or ends already
    if not await process.ends_within(END_SECONDS):
        await process.stop(END_SECONDS)

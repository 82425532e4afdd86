# SPDX-License-Identifier: BSD-3-Clause
"""The manager's process: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from onvm_runtime.manager import api
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.lock import Lock
from onvm_runtime.manager.node import Node

SOCKET = "manager.sock"
LOCK = "manager.lock"
GOODBYE_SECONDS = 5  # for requests under way when the manager is asked to end


class _Server(uvicorn.Server):
    """Serves the API of a node.  Signals are ours: there is more to end than a server."""

    def __init__(self, node: Node) -> None:
        super().__init__(_settings(api.make(node, shut_down=self.end)))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Ends once the requests under way are answered."""
        self.should_exit = True


async def run(config: NodeConfig) -> None:
    """Looks after a node until SIGTERM or SIGINT; raises ManagerError and SpecError."""
    directory = config.directories.run
    with Lock(directory / LOCK):
        node = Node(config)
        server = _Server(node)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.end)
        await node.start()
        try:
            await _until_either_ends(server.serve([_listen(directory / SOCKET)]), node.broken())
        finally:
            (directory / SOCKET).unlink(missing_ok=True)
            await node.leave()


async def _until_either_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Runs both; ends with the first, and raises what it raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )


def _listen(path: Path) -> socket.socket:
    """A listening socket for root and its group.  The lock says that it is nobody else's."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener

# SPDX-License-Identifier: BSD-3-Clause
"""The Docker SDK, whose calls block, for asyncio."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import docker
from docker.errors import DockerException, NotFound

from onvm_runtime.manager.failure import DriverError

T = TypeVar("T")

SECONDS = 30  # that one call may take
THREADS = 8  # calls at once


class Docker:
    """A connection that is made when it is first needed, and again after it failed."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._client: docker.DockerClient | None = None

    async def call(self, doing: str, work: Callable[[docker.DockerClient], T]) -> T:
        """Lets `work` use the client on a thread; `doing` begins the sentence of an error.

        Raises docker's NotFound as it is, and DriverError for everything else.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(self._work, doing, work))

    def _work(self, doing: str, work: Callable[[docker.DockerClient], T]) -> T:
        try:
            return work(self._connected())
        except NotFound:
            raise
        # The SDK lets errors of its HTTP library through, which are OSErrors.
        except (DockerException, OSError) as error:
            explanation = getattr(error, "explanation", None) or error
            raise DriverError(f"{doing}: {explanation}") from error

    def _connected(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.from_env(timeout=SECONDS, max_pool_size=THREADS)
        return self._client

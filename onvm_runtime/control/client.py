# SPDX-License-Identifier: BSD-3-Clause
"""A connection to the data plane, for asyncio."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from typing import Any

from onvm_runtime._control import lib
from onvm_runtime.control.channel import Channel, Received
from onvm_runtime.control.failure import DataplaneError
from onvm_runtime.control.regions import Region

ABI: int = lib.ONVM_ABI_VERSION
ANSWER_SECONDS = 10.0  # opening a port of a slow device takes a few


class Control:
    """Requests in parallel, each with its answer; events in order.

    Once the data plane has closed the channel every request fails.  To connect
    again is the caller's business.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Received]] = {}
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._failure: DataplaneError | None = None
        self._loop.add_reader(channel.fileno(), self._readable)
        self.identity: dict[str, Any] = {}

    @classmethod
    async def connect(cls, path: str) -> Control:
        """Connects and says hello; `identity` is the answer.

        Raises DataplaneError when nobody listens or the ABI is another one.
        """
        control = cls(Channel.connect(path))
        try:
            control.identity = await control.request("hello", abi=ABI)
        except BaseException:
            control.close()
            raise
        return control

    @property
    def closed(self) -> bool:
        """Whether the channel is gone."""
        return self._failure is not None

    async def request(self, op: str, /, **arguments: Any) -> dict[str, Any]:
        """Sends a request (native/protocol/control.h) and returns its answer without `ok`.

        Raises DataplaneError with the data plane's sentence when it refuses.
        """
        received = await self._ask(op, arguments)
        _close(received)
        return received.content

    async def node_counters(self) -> Region:
        """Maps the counters of the node; raises DataplaneError."""
        return await self._map("counters", "node", {})

    async def nf_counters(self, name: str) -> Region:
        """Maps the counters of one NF; raises DataplaneError."""
        return await self._map("nf.counters", "nf", {"name": name})

    async def node_latency(self) -> Region:
        """Maps the latencies that the worker recorded; raises DataplaneError."""
        return await self._map("latency", "node_latency", {})

    async def nf_latency(self, name: str) -> Region:
        """Maps the latencies that one NF recorded; raises DataplaneError."""
        return await self._map("nf.latency", "nf_latency", {"name": name})

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yields what came since `request("events")`, until the channel closes."""
        while (event := await self._events.get()) is not None:
            yield event

    def close(self) -> None:
        """Closes the channel; whoever waits gets a DataplaneError."""
        self._fail(DataplaneError("the control channel was closed"))

    async def _map(self, op: str, kind: str, arguments: dict[str, Any]) -> Region:
        received = await self._ask(op, arguments)
        if received.fd < 0:
            raise DataplaneError(f"the data plane's answer to {op} brought no region")
        return Region(received.fd, kind)

    async def _ask(self, op: str, arguments: dict[str, Any]) -> Received:
        received = await self._answer(op, arguments)
        if received.content.pop("ok", False) is True:
            return received
        _close(received)
        raise DataplaneError(str(received.content.get("error", f"the data plane refused {op}")))

    async def _answer(self, op: str, arguments: dict[str, Any]) -> Received:
        if self._failure is not None:
            raise DataplaneError(str(self._failure))
        number = next(self._numbers)
        future: asyncio.Future[Received] = self._loop.create_future()
        self._waiting[number] = future
        try:
            self._channel.send(number, {"op": op, **arguments})
            # Unlike wait_for, wait never takes an answer for a reason not to be cancelled.
            done, _ = await asyncio.wait({future}, timeout=ANSWER_SECONDS)
            if done:
                return future.result()
            raise DataplaneError(
                f"the data plane did not answer {op} within {ANSWER_SECONDS:.0f} s"
            )
        except asyncio.CancelledError:
            _discard(future)
            raise
        finally:
            self._waiting.pop(number, None)

    def _readable(self) -> None:
        try:
            while (received := self._channel.receive()) is not None:
                self._deliver(received)
        except DataplaneError as error:
            self._fail(error)

    def _deliver(self, received: Received) -> None:
        future = self._waiting.get(received.number)
        if future is not None and not future.done():
            future.set_result(received)
            return
        _close(received)
        if received.number == 0:
            self._events.put_nowait(received.content)

    def _fail(self, error: DataplaneError) -> None:
        if self._failure is not None:
            return
        self._failure = error
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._events.put_nowait(None)


def _close(received: Received) -> None:
    if received.fd >= 0:
        os.close(received.fd)


def _discard(future: asyncio.Future[Received]) -> None:
    """Closes what came with an answer that nobody will read."""
    if future.done() and not future.cancelled() and future.exception() is None:
        _close(future.result())

# SPDX-License-Identifier: BSD-3-Clause
"""An NF module loaded into this process: frames in, frames and verdicts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from os import PathLike, fspath
from types import TracebackType
from typing import Any

from onvm_runtime._nf import ffi, lib

NANOSECONDS = 1_000_000_000


class Verdict(IntEnum):
    """What an NF decides about a packet; the numbers are the ABI's (descriptor.h)."""

    DROP = 0
    NEXT = 1
    TO = 2
    OUT = 3


class ModuleError(Exception):
    """The module could not be loaded, or refused its parameters or a query."""


@dataclass(frozen=True)
class Packet:
    """A packet on its way into a module: an Ethernet frame and what its descriptor says."""

    frame: bytes
    port: int = 0
    flow: int = 0


@dataclass(frozen=True)
class Result:
    """A packet as the handler left it; argument is a branch, a port or a drop reason's number."""

    frame: bytes
    verdict: Verdict
    argument: int


class Module:
    """One NF module with its state and a clock of the caller's.

    ``now`` is the time that the module sees, in seconds since any epoch; it starts at 1.
    ``segment`` is how many bytes of a frame lie in one buffer; longer frames take several.
    """

    def __init__(self, path: str | PathLike[str], segment: int = lib.HARNESS_ROOM) -> None:
        self.now = 1.0
        self.segment = segment
        self._failure = ffi.new("struct onvm_failure *")
        self._harness = lib.harness_open(fspath(path).encode(), self._failure)
        self._require(self._harness)
        self.name = ffi.string(lib.harness_name(self._harness)).decode()

    def __enter__(self) -> Module:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the module; it must not be used any more."""
        lib.harness_close(self._harness)

    def configure(
        self,
        parameters: Mapping[str, Any],
        *,
        ports: Mapping[str, int] | None = None,
        branches: Mapping[str, int] | None = None,
    ) -> None:
        """Gives the module its parameters, as CONFIGURE does (session.h).

        Raises ModuleError with the module's sentence; it then goes on as it was.
        """
        configuration = {
            "parameters": parameters,
            "ports": ports or {},
            "branches": branches or {},
            "service": self.name,
        }
        text = json.dumps(configuration).encode()
        self._require(lib.harness_configure(self._harness, text, self._failure))

    def handle(self, packets: Iterable[Packet]) -> list[Result]:
        """Runs the handler on packets, in bursts as the data plane makes them.

        Raises ValueError for a frame that no NF would get: shorter than 14 bytes, or longer
        than eight buffers.
        """
        waiting = iter(packets)
        results: list[Result] = []
        while burst := list(islice(waiting, lib.ONVM_BURST)):
            results += self._handle_burst(burst)
        return results

    def tick(self) -> None:
        """Runs the module's timer."""
        lib.harness_tick(self._harness, self._nanoseconds())

    def query(self, request: Mapping[str, Any]) -> Any:
        """Asks the module; returns its reply.  Raises ModuleError with its sentence."""
        text = json.dumps(request).encode()
        reply = lib.harness_query(self._harness, text, self._failure)
        self._require(reply)
        try:
            return json.loads(ffi.string(reply))
        finally:
            lib.free(reply)

    def _handle_burst(self, burst: Sequence[Packet]) -> list[Result]:
        lib.harness_clear(self._harness)
        for packet in burst:
            self._put(packet)
        lib.harness_run(self._harness, self._nanoseconds())
        return [self._result(i) for i in range(len(burst))]

    def _put(self, packet: Packet) -> None:
        frame = packet.frame
        place = (self.segment, packet.port, packet.flow)
        if not lib.harness_put(self._harness, frame, len(frame), *place):
            raise ValueError(f"no NF would get a frame of {len(frame)} bytes")

    def _result(self, i: int) -> Result:
        verdict = ffi.new("uint8_t *")
        argument = ffi.new("uint8_t *")
        frame = ffi.new("uint8_t[]", lib.harness_get(self._harness, i, verdict, argument))
        lib.harness_copy(self._harness, i, frame)
        return Result(ffi.buffer(frame)[:], Verdict(verdict[0]), argument[0])

    def _nanoseconds(self) -> int:
        return int(self.now * NANOSECONDS)

    def _require(self, done: Any) -> None:
        if not done:
            raise ModuleError(ffi.string(self._failure.text).decode())

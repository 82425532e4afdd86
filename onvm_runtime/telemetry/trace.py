# SPDX-License-Identifier: BSD-3-Clause
"""What became of sampled packets on a node: records of workers and NFs, put together.

protocol/trace.h says who writes what.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from onvm_runtime._control import ffi, lib
from onvm_runtime.control import Region
from onvm_runtime.telemetry.total import workers

_RECORD = struct.Struct("=QQIIIHHHBBBBBB88s")
_NUMBERS = (
    "at", "took", "buffer", "id", "flow", "chain", "argument", "length", "kind", "hop", "verdict",
    "port", "span",
)  # fmt: skip
_INDEX = 0xFFFFFF  # of a buffer; above it is its generation

Kind = Literal["trace", "probes"]

assert _RECORD.size == ffi.sizeof("struct onvm_trace_record")


@dataclass(frozen=True)
class Record:
    """One record.  `nf`: who wrote it, None: a worker."""

    nf: str | None
    at: int
    took: int
    buffer: int
    id: int
    flow: int
    chain: int
    argument: int
    length: int
    kind: int
    hop: int
    verdict: int
    port: int
    span: int
    head: bytes


@dataclass
class Passage:
    """A packet's way through one node: what its worker saw first, every NF, and its end.

    ended  the last word on its end; None: it is still on the way, or was lost with an NF
    """

    entered: Record
    handled: list[Record] = field(default_factory=list)
    ended: Record | None = None


def take(node: Region, own: Mapping[str, Region], kind: Kind = "trace") -> list[Passage]:
    """The passages that the rings of a node still hold, oldest first.

    node  the latencies of the node
    own   those of NFs by name
    kind  of sampled packets, or of probes
    """
    return _put_together(_all_records(node, own, kind))


def _all_records(node: Region, own: Mapping[str, Region], kind: Kind) -> Iterator[Record]:
    for worker in workers(node):
        yield from _read(getattr(worker, kind), None)
    for name, region in own.items():
        yield from _read(getattr(region.counters, kind), name)


def _read(ring: Any, nf: str | None) -> Iterator[Record]:
    """The records of a ring that were not overwritten while they were read."""
    size = lib.ONVM_TRACE_RECORDS
    written = ring.written
    numbers = range(max(0, written - size), written)
    copies = [bytes(ffi.buffer(ffi.addressof(ring.record, n % size))) for n in numbers]
    oldest = ring.written - size + 1
    for number, copy in zip(numbers, copies, strict=True):
        if number >= oldest:
            *fields, headed, head = _RECORD.unpack(copy)
            known = dict(zip(_NUMBERS, fields, strict=True))
            yield Record(nf=nf, head=head[:headed], **known)


def _put_together(records: Iterable[Record]) -> list[Passage]:
    """Records by their buffer and time; what has no beginning any more is left out."""
    passages: list[Passage] = []
    under_way: dict[int, Passage] = {}
    for record in sorted(records, key=lambda record: (record.at, record.kind)):
        buffer = record.buffer & _INDEX
        if record.kind == lib.ONVM_TRACE_ENTERED:
            under_way[buffer] = Passage(record)
            passages.append(under_way[buffer])
        elif buffer in under_way:
            _add(under_way[buffer], record)
    return passages


def _add(passage: Passage, record: Record) -> None:
    if record.kind == lib.ONVM_TRACE_HANDLED:
        if passage.ended is None:
            passage.handled.append(record)
    elif record.nf is None:
        passage.ended = record

# SPDX-License-Identifier: BSD-3-Clause
"""What the node and every attached NF count and time: mapped once, read at will."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from onvm_runtime.control import Control, DataplaneError, Region
from onvm_runtime.telemetry import latency, snapshot, trace

log = logging.getLogger(__name__)


class Counting:
    """The mapped regions of one data plane."""

    def __init__(self) -> None:
        self._node: Region | None = None
        self._node_latency: Region | None = None
        self._nfs: dict[str, Region] = {}
        self._nf_latencies: dict[str, Region] = {}

    def on_event(self, event: dict[str, Any]) -> None:
        """Every attachment of an NF has regions of its own."""
        if event["state"] in ("attached", "detached"):
            self._nfs.pop(event["name"], None)
            self._nf_latencies.pop(event["name"], None)

    def on_down(self) -> None:
        """The next data plane has other regions."""
        self._node = self._node_latency = None
        self._nfs.clear()
        self._nf_latencies.clear()

    async def take(self, control: Control, paths: Mapping[int, Sequence[str]]) -> snapshot.Snapshot:
        """Reads everything that is counted.  Raises DataplaneError."""
        status = await control.request("status")
        if self._node is None:
            self._node = await control.node_counters()
        await _map_new(control, status, self._nfs, control.nf_counters)
        return snapshot.take(status, self._node, self._nfs, paths)

    async def take_latency(
        self, control: Control, paths: Mapping[int, Sequence[str]]
    ) -> latency.Latency:
        """Reads all histograms.  Raises DataplaneError."""
        status, clock = await control.request("status"), await control.request("latency")
        node = await self._map_latencies(control, status)
        return latency.take(clock, status, node, self._nf_latencies, paths)

    async def take_traces(
        self, control: Control, kind: trace.Kind
    ) -> tuple[list[trace.Passage], Mapping[str, Any], int]:
        """Traced packets or probes, the status that names what they name, and cycles in a second.

        Raises DataplaneError.
        """
        status, clock = await control.request("status"), await control.request("latency")
        node = await self._map_latencies(control, status)
        return trace.take(node, self._nf_latencies, kind), status, clock["hz"]

    async def _map_latencies(self, control: Control, status: Mapping[str, Any]) -> Region:
        if self._node_latency is None:
            self._node_latency = await control.node_latency()
        await _map_new(control, status, self._nf_latencies, control.nf_latency)
        return self._node_latency


async def _map_new(
    control: Control,
    status: Mapping[str, Any],
    regions: dict[str, Region],
    ask: Callable[[str], Awaitable[Region]],
) -> None:
    """Maps the regions of NFs that attached; one that has gone since it was listed has none."""
    for nf in status["nfs"]:
        if nf["state"] == "expected" or nf["name"] in regions:
            continue
        try:
            regions[nf["name"]] = await ask(nf["name"])
        except DataplaneError as error:
            if control.closed:
                raise
            log.info("no region of NF %s: %s", nf["name"], error)

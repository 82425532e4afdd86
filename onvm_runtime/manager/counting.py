# SPDX-License-Identifier: BSD-3-Clause
"""Counters of the node and of every NF that is attached: mapped once, read at will."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from onvm_runtime.control import Control, DataplaneError, Region
from onvm_runtime.telemetry import snapshot

log = logging.getLogger(__name__)


class Counting:
    """The mapped regions of one data plane."""

    def __init__(self) -> None:
        self._node: Region | None = None
        self._nfs: dict[str, Region] = {}

    def on_event(self, event: dict[str, Any]) -> None:
        """Every attachment of an NF has a region of its own."""
        if event["state"] in ("attached", "detached"):
            self._nfs.pop(event["name"], None)

    def on_down(self) -> None:
        """The next data plane has other regions."""
        self._node = None
        self._nfs.clear()

    async def take(self, control: Control, paths: Mapping[int, Sequence[str]]) -> snapshot.Snapshot:
        """Reads everything that is counted.  Raises DataplaneError."""
        status = await control.request("status")
        if self._node is None:
            self._node = await control.node_counters()
        for nf in status["nfs"]:
            if nf["state"] != "expected" and nf["name"] not in self._nfs:
                await self._map(control, nf["name"])
        return snapshot.take(status, self._node, self._nfs, paths)

    async def _map(self, control: Control, name: str) -> None:
        """An NF may have gone since it was listed: then it has no counters."""
        try:
            self._nfs[name] = await control.nf_counters(name)
        except DataplaneError as error:
            if control.closed:
                raise
            log.info("no counters of NF %s: %s", name, error)

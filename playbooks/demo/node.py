# SPDX-License-Identifier: BSD-3-Clause
"""What the story asks the node's manager, by the API that `onvm` uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.session import SOCKET


class Node:
    """The node of this host."""

    def __init__(self) -> None:
        self._manager = Manager(SOCKET)

    def status(self) -> dict[str, Any]:
        """The node at a glance."""
        return dict(self._manager.get("/v1/status"))

    def stats(self) -> dict[str, Any]:
        """All counters."""
        return dict(self._manager.get("/v1/stats"))

    def flows(self, service: str) -> list[dict[str, Any]]:
        """What a flow monitor saw."""
        return list(self._manager.get("/v1/flows", service=service, top=1000)["flows"])

    def ask(self, instance: str, query: str) -> dict[str, Any]:
        """Return an NF's own answer."""
        return dict(self._manager.post(f"/v1/nfs/{instance}/query", {"query": query}))

    def apply(self, text: str) -> dict[str, Any]:
        """Put a chains file into effect."""
        return dict(self._manager.post("/v1/chains/apply", {"source": "demo", "text": text}))

    def instance(self, name: str) -> dict[str, Any]:
        """How one NF is."""
        return next(nf for nf in self.status()["nfs"] if nf["name"] == name)

    def buffers_out(self) -> int:
        """Packet buffers that are not free."""
        return int(self.status()["dataplane"]["buffers_out"])

    def path(self, chain: str) -> list[str]:
        """The services of a chain, forth."""
        chains = self.status()["chains"]
        forth = (c for c in chains if c["name"] == chain and not (c["reverse"] or c["draining"]))
        return list(next(forth)["path"])

    def handled(self, chain: str) -> list[tuple[str, str, int]]:
        """Packets per hop of a chain: direction, service, packets since it came into force."""
        return [
            ("back" if stats["reverse"] else "forth", hop["service"], hop["handled"]["packets"])
            for stats in self.stats()["chains"]
            if stats["name"] == chain and not stats["draining"]
            for hop in stats["hops"]
        ]

    def port(self, name: str) -> dict[str, Any]:
        """The counters of a port; none before it is open."""
        ports = {port["name"]: port["counters"] for port in self.stats()["ports"]}
        return dict(ports.get(name, {}))


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition came true in this time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

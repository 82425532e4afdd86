# SPDX-License-Identifier: BSD-3-Clause
"""How long packets took, by chain and hop: what the worker and the NFs sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onvm_runtime.control import Region
from onvm_runtime.telemetry import histograms
from onvm_runtime.telemetry.histograms import Histogram
from onvm_runtime.telemetry.total import workers


@dataclass(frozen=True)
class HopLatency:
    """One hop (from 0) of a chain, all instances of `service` together.

    wait      from posted by the hop before, or received by the node, to taken
    handling  from taken to posted
    """

    hop: int
    service: str
    wait: Histogram
    handling: Histogram


@dataclass(frozen=True)
class ChainLatency:
    """One direction of a chain.

    home   from posted by the last NF to taken by the data plane
    total  from received by the node to taken by the data plane for sending
    """

    id: int
    name: str
    reverse: bool
    hops: tuple[HopLatency, ...]
    home: Histogram
    total: Histogram

    def stages(self) -> Iterator[tuple[str, str, str, Histogram]]:
        """Every histogram with its hop (from 1), service and stage, in a packet's order."""
        for hop in self.hops:
            yield str(hop.hop + 1), hop.service, "wait", hop.wait
            yield str(hop.hop + 1), hop.service, "handling", hop.handling
        yield "", "", "home", self.home
        yield "", "", "total", self.total


@dataclass(frozen=True)
class Latency:
    """All latencies of a node.  `every`: one packet of so many is sampled, 0: none."""

    every: int
    hz: int
    chains: tuple[ChainLatency, ...]


def take(
    clock: Mapping[str, Any],
    status: Mapping[str, Any],
    node: Region,
    own: Mapping[str, Region],
    paths: Mapping[int, Sequence[str]],
) -> Latency:
    """Reads all histograms.

    clock   the data plane's answer to `latency`
    status  its answer to `status`
    own     the latencies of NFs by name; an NF without is left out
    paths   the services of each chain by the chain's id

    Pages of chains and hops that are not in `paths` are never touched, so they take
    no memory.
    """
    services = {nf["name"]: nf["service"] for nf in status["nfs"]}
    reader = _Reader(clock["hz"], own, services)
    return Latency(
        every=clock["every"],
        hz=clock["hz"],
        chains=tuple(
            reader.chain(chain, node, paths[chain["id"]])
            for chain in status["chains"]
            if paths.get(chain["id"])
        ),
    )


@dataclass(frozen=True)
class _Reader:
    hz: int
    own: Mapping[str, Region]
    services: Mapping[str, str]

    def chain(self, chain: Mapping[str, Any], node: Region, path: Sequence[str]) -> ChainLatency:
        seen = [worker.chain[chain["id"]] for worker in workers(node)]
        return ChainLatency(
            id=chain["id"],
            name=chain["name"],
            reverse=chain["reverse"],
            hops=tuple(self._hop(chain["id"], hop, service) for hop, service in enumerate(path)),
            home=histograms.merge(histograms.read(raw.wait, self.hz) for raw in seen),
            total=histograms.merge(histograms.read(raw.total, self.hz) for raw in seen),
        )

    def _hop(self, chain: int, hop: int, service: str) -> HopLatency:
        seen = [
            region.counters.hop[chain][hop]
            for name, region in self.own.items()
            if self.services.get(name) == service
        ]
        return HopLatency(
            hop,
            service,
            wait=histograms.merge(histograms.read(raw.wait, self.hz) for raw in seen),
            handling=histograms.merge(histograms.read(raw.handling, self.hz) for raw in seen),
        )

# SPDX-License-Identifier: BSD-3-Clause
"""Everything that a node counts, at one moment, under the names that users know."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onvm_runtime.control import Region
from onvm_runtime.telemetry.counters import (
    ChainCounters,
    FlowCount,
    NfCounters,
    NodeCounters,
    PortCounters,
    read_chain,
    read_nf,
    read_node,
    read_port,
)


@dataclass(frozen=True)
class PortStats:
    """One port and its counters."""

    name: str
    counters: PortCounters


@dataclass(frozen=True)
class HopStats:
    """What the instances of `service` together handled at hop `hop` (from 0) of a chain."""

    hop: int
    service: str
    handled: FlowCount


@dataclass(frozen=True)
class ChainStats:
    """One direction of a chain.  `in_flight`: packets of it that are on the way."""

    id: int
    name: str
    reverse: bool
    draining: bool
    in_flight: int
    counters: ChainCounters
    hops: tuple[HopStats, ...]


@dataclass(frozen=True)
class NfStats:
    """One NF and its counters."""

    name: str
    service: str
    counters: NfCounters


@dataclass(frozen=True)
class Snapshot:
    """All counters of a node.  `time`: seconds of a clock that only runs forward."""

    time: float
    node: NodeCounters
    ports: tuple[PortStats, ...]
    chains: tuple[ChainStats, ...]
    nfs: tuple[NfStats, ...]


def take(
    status: Mapping[str, Any],
    node: Region,
    own: Mapping[str, Region],
    paths: Mapping[int, Sequence[str]],
) -> Snapshot:
    """Reads all counters.

    status  the data plane's answer to `status`
    own     the counters of NFs by name; an NF without is left out
    paths   the services of each chain by the chain's id
    """
    nfs = _nfs(status, node, own, paths)
    return Snapshot(
        time=time.monotonic(),
        node=read_node(node),
        ports=tuple(PortStats(p["name"], read_port(node, p["id"])) for p in status["ports"]),
        chains=tuple(_chain(c, node, nfs, paths.get(c["id"], ())) for c in status["chains"]),
        nfs=nfs,
    )


def _nfs(
    status: Mapping[str, Any],
    node: Region,
    own: Mapping[str, Region],
    paths: Mapping[int, Sequence[str]],
) -> tuple[NfStats, ...]:
    lengths = {chain: len(path) for chain, path in paths.items()}
    return tuple(
        NfStats(nf["name"], nf["service"], read_nf(node, nf["id"], own[nf["name"]], lengths))
        for nf in status["nfs"]
        if nf["name"] in own
    )


def _chain(
    chain: Mapping[str, Any], node: Region, nfs: Sequence[NfStats], path: Sequence[str]
) -> ChainStats:
    return ChainStats(
        id=chain["id"],
        name=chain["name"],
        reverse=chain["reverse"],
        draining=chain["draining"],
        in_flight=chain["in_flight"],
        counters=read_chain(node, chain["id"]),
        hops=tuple(
            HopStats(hop, service, _handled(nfs, service, chain["id"], hop))
            for hop, service in enumerate(path)
        ),
    )


def _handled(nfs: Sequence[NfStats], service: str, chain: int, hop: int) -> FlowCount:
    counts = [
        counter.handled
        for nf in nfs
        if nf.service == service
        for counter in nf.counters.hops
        if (counter.chain, counter.hop) == (chain, hop)
    ]
    return FlowCount(sum(c.packets for c in counts), sum(c.bytes for c in counts))

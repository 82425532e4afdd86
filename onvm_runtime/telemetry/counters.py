# SPDX-License-Identifier: BSD-3-Clause
"""Snapshots of counters: plain numbers copied out of mapped regions.

Fields carry the names that they have in native/protocol/counters.h, which says
what each counts.  A region changes while it is read, so two fields of one
snapshot may be of slightly different moments; none ever goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime._control import lib
from onvm_runtime.control import Region
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from onvm_runtime.telemetry.total import total, workers

VERDICTS = {
    "drop": lib.ONVM_VERDICT_DROP,
    "next": lib.ONVM_VERDICT_NEXT,
    "to": lib.ONVM_VERDICT_TO,
    "out": lib.ONVM_VERDICT_OUT,
}


@dataclass(frozen=True)
class FlowCount:
    """Packets, and their bytes from the first of the Ethernet header to the last of the payload."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class PortCounters:
    """What one port received and sent."""

    rx: FlowCount
    tx: FlowCount
    rx_missed: int
    rx_errors: int
    tx_dropped: int
    rx_segmented: int
    rx_checksummed: int


@dataclass(frozen=True)
class ChainCounters:
    """What was classified into a chain, left it by a port, and ended on the way.

    Their difference is on the way now.
    """

    entered: FlowCount
    left: FlowCount
    dropped: int


@dataclass(frozen=True)
class WorkerCounters:
    """What one worker of the data plane did.

    cycles   TSC cycles since it started; `busy_cycles` of them in turns that moved a packet
    packets  received, by all ports
    """

    loops: int
    sleeps: int
    cycles: int
    busy_cycles: int
    packets: int


@dataclass(frozen=True)
class NodeCounters:
    """What the data plane counts about itself and the packet region, over all workers.

    workers  each by itself
    buffers  in all; `buffers_out` of them NFs hold, `buffers_queued` the data plane
    drops    packets by the name of their drop reason, all reasons
    """

    workers: tuple[WorkerCounters, ...]
    buffers: int
    buffers_out: int
    buffers_queued: int
    flows: int
    flow_hits: int
    flow_misses: int
    drops: Mapping[str, int]


@dataclass(frozen=True)
class HopCounters:
    """What an NF handled at one hop (from 0) of one chain (an id)."""

    chain: int
    hop: int
    handled: FlowCount


@dataclass(frozen=True)
class NfCounters:
    """One NF: what the data plane counts about it, then what it says of itself.

    given, returned, faults, reclaimed  by the data plane
    handler_cycles                      TSC cycles inside the handler
    verdicts                            packets by drop, next, to and out
    hops                                the asked-for hops at which it handled packets
    """

    given: int
    returned: int
    faults: int
    reclaimed: int
    rx: FlowCount
    verdicts: Mapping[str, int]
    edge_full: int
    bursts: int
    sleeps: int
    handler_cycles: int
    drops: Mapping[str, int]
    hops: tuple[HopCounters, ...]


def read_node(node: Region) -> NodeCounters:
    """The node's own counters."""
    raw = total(node)
    return NodeCounters(
        workers=tuple(map(_worker, workers(node))),
        buffers=raw.buffers,
        buffers_out=raw.buffers_out,
        buffers_queued=raw.buffers_queued,
        flows=raw.flows,
        flow_hits=raw.flow_hits,
        flow_misses=raw.flow_misses,
        drops=_drops(raw.dropped),
    )


def read_port(node: Region, port: int) -> PortCounters:
    """Counters of the port with this id; raises IndexError when there can be none."""
    raw = total(node).port[port]
    return PortCounters(
        rx=_flow(raw.rx),
        tx=_flow(raw.tx),
        rx_missed=raw.rx_missed,
        rx_errors=raw.rx_errors,
        tx_dropped=raw.tx_dropped,
        rx_segmented=raw.rx_segmented,
        rx_checksummed=raw.rx_checksummed,
    )


def read_chain(node: Region, chain: int) -> ChainCounters:
    """Counters of the chain with this id; raises IndexError when there can be none."""
    raw = total(node).chain[chain]
    # `in` is a word of Python's own, so the field cannot be written as an attribute.
    return ChainCounters(_flow(getattr(raw, "in")), _flow(raw.out), raw.dropped)


def read_nf(node: Region, nf: int, own: Region, lengths: Mapping[int, int]) -> NfCounters:
    """Counters of the NF with id `nf`, whose own region is `own`.

    lengths  chain id -> hops of that chain; only their hops are read
    Raises IndexError when there can be no such NF or chain.
    """
    view, raw = total(node).nf[nf], own.counters
    return NfCounters(
        given=view.given,
        returned=view.returned,
        faults=view.faults,
        reclaimed=view.reclaimed,
        rx=_flow(raw.rx),
        verdicts={name: raw.verdict[number] for name, number in VERDICTS.items()},
        edge_full=raw.edge_full,
        bursts=raw.bursts,
        sleeps=raw.sleeps,
        handler_cycles=raw.handler_cycles,
        drops=_drops(raw.dropped),
        hops=_hops(raw.hop, lengths),
    )


def _worker(raw: Any) -> WorkerCounters:
    return WorkerCounters(
        loops=raw.loops,
        sleeps=raw.sleeps,
        cycles=raw.cycles,
        busy_cycles=raw.busy_cycles,
        packets=sum(raw.port[port].rx.packets for port in range(lib.ONVM_MAX_PORTS)),
    )


def _hops(raw: Any, lengths: Mapping[int, int]) -> tuple[HopCounters, ...]:
    return tuple(
        HopCounters(chain, hop, _flow(raw[chain][hop]))
        for chain, length in lengths.items()
        for hop in range(length)
        if raw[chain][hop].packets
    )


def _flow(raw: Any) -> FlowCount:
    return FlowCount(raw.packets, raw.bytes)


def _drops(raw: Any) -> dict[str, int]:
    return {reason.name: raw[reason.number] for reason in DROP_REASONS}

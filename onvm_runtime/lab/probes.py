# SPDX-License-Identifier: BSD-3-Clause
"""Probes of a rollout: the ways that they go, and what became of them.

When all nodes are prepared (phases.py), a probe enters every closed version of a chain. It
goes from node to node under one id. A link of VLANs brings no id along: the probe ends before it,
and the node behind it sends one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

File = Mapping[str, Any]
Passages = Mapping[str, Sequence[Mapping[str, Any]]]  # what managers know of probes, by node

ARRIVED = "probe_arrived"
_BROKEN = "nf_error"  # the one reason of an NF that is no decision of it


@dataclass(frozen=True)
class Visit:
    """A version of a chain on a node.

    came  the link by which the probe comes; None: it begins here
    link  the one that the chain leaves by; None: it leaves the lab
    ends  the probe goes no further
    """

    node: str
    chain: str
    path: tuple[str, ...]
    came: str | None
    link: str | None
    ends: bool


@dataclass(frozen=True)
class Way:
    """Where one probe goes; `version` tells the one of the first node that it enters."""

    version: Mapping[str, Any]
    visits: tuple[Visit, ...]

    @property
    def node(self) -> str:
        """Where it begins."""
        return self.visits[0].node

    @property
    def chain(self) -> str:
        """What it enters there."""
        return self.visits[0].chain


def new_ways(files: Mapping[str, File]) -> list[Way]:
    """The ways of all probes; `files` are those of the phase prepare, by node."""
    return [
        way
        for node, file in files.items()
        for name, version in _versions(file)
        if version.get("closed")
        for way in _from(files, node, name, version)
    ]


def _versions(file: File) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for chain in file.get("chains", ()):
        if "path" in chain:
            yield chain["name"], chain
        for version in chain.get("also", ()):
            yield chain["name"], version


def _from(
    files: Mapping[str, File], node: str, name: str, version: Mapping[str, Any]
) -> Iterator[Way]:
    """The ways of the probes that follow a chain from here on, each up to a link of VLANs."""
    first, came, visits = version, None, []
    while True:
        link, on = _link(version), _next(files, node, version)
        vlan = link is not None and files[node]["links"][link]["encapsulation"] == "vlan"
        ends = vlan or link is None
        visits.append(Visit(node, name, tuple(version["path"]), came, link, ends))
        if vlan or on is None:
            keys = {key: first.get(key) for key in ("path", "egress", "returns")}
            yield Way(keys, tuple(visits))
        if on is None:
            return
        came = link
        node, name, version = on
        if vlan:
            first, came, visits = version, None, []


def _link(version: Mapping[str, Any]) -> str | None:
    egress = version["egress"]
    return egress["link"] if isinstance(egress, Mapping) else None


def _next(
    files: Mapping[str, File], node: str, version: Mapping[str, Any]
) -> tuple[str, str, Mapping[str, Any]] | None:
    """The node that takes what leaves by a version, and which version there does."""
    link = _link(version)
    if link is None:
        return None
    peer = files[node]["links"][link]["peer"]
    found = (
        (peer, name, other)
        for name, other in _versions(files.get(peer, {}))
        if version["egress"] in other.get("match", ())
    )
    return next(found, None)


def loss(way: Way, probe: int, passages: Passages) -> str | None:
    """Where and why a probe was lost; None: it was not.  What an NF drops by its rules is not."""
    before = None
    for visit in way.visits:
        part = _part(passages, visit, probe)
        if part is None:
            return _not_there(visit, before)
        if part["end"] != "left":
            return _end(visit, part)
        if visit.ends or part["to"] != visit.link:
            return f"left {visit.node} by {part['to'] or part['by']}, which it was not to"
        before = visit.node
    return None  # what is behind takes no part in the rollout


def _part(passages: Passages, visit: Visit, probe: int) -> Mapping[str, Any] | None:
    """A node may be passed twice, by different links."""
    found = (
        part
        for part in passages.get(visit.node, ())
        if part["id"] == probe and part["link"] == visit.came
    )
    return next(found, None)


def _not_there(visit: Visit, before: str | None) -> str:
    if before is None:
        return f"is not known at {visit.node}, which sent it"
    return f"left {before} by link {visit.came} and did not arrive at {visit.node}"


def _end(visit: Visit, part: Mapping[str, Any]) -> str | None:
    if part["end"] == "dropped":
        if part["reason"] == ARRIVED or decision(part) is not None:
            return None
        return f"was dropped at {visit.node}, {_place(visit, part)}: {part['reason']}"
    return f"was lost at {visit.node}, {_place(visit, part)}"


def _place(visit: Visit, part: Mapping[str, Any]) -> str:
    """Where on a node its trace ends."""
    done = len(part["hops"])
    if done < len(visit.path):
        return f"in or before hop {done + 1}, {visit.path[done]}"
    behind = f"behind {part['hops'][-1]['instance']}" if done else "where it came in"
    return behind if visit.link is None else f"{behind}, on its way to link {visit.link}"


def decision(part: Mapping[str, Any]) -> str | None:
    """Which NF of a passage dropped its packet, by its rules; None: none did."""
    last = part["hops"][-1] if part["hops"] else None
    if last is None or last["verdict"] != "drop" or part["reason"] == _BROKEN:
        return None
    return f"{last['instance']}: {part['reason']}"


def decisions(way: Way, probe: int, passages: Passages) -> list[str]:
    """Sentences about NFs that dropped a probe."""
    parts = [(visit.node, _part(passages, visit, probe)) for visit in way.visits]
    found = [(node, decision(part)) for node, part in parts if part and part["end"] == "dropped"]
    return [f"was dropped at {node} by {said}" for node, said in found if said]

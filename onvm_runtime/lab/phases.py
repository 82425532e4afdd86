# SPDX-License-Identifier: BSD-3-Clause
"""From one state of a lab to the next, without a packet that finds half of both.

    prepare  every node takes packets of the new chains from its links as well, and has those
             that enter there closed: only probes do (probes.py)
    switch   packets that enter the lab take the new chains; those on their way between
             nodes still find the old ones
    retire   the new state alone

A chain's parts on different nodes carry a path id that is made of what the chain
is, so old and new never mix.  While a node has both, the others stand in the chain's
key `also`: versions that take packets from links, or nothing at all.  A rollout that was
cut off leaves them there, and the next one keeps them until all nodes have moved on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime.chains.spec import Json

File = Mapping[str, Any]

_VERSION_KEYS = ("match", "path", "egress", "returns", "closed")


@dataclass(frozen=True)
class Phases:
    """The content of a node's chains file in each phase."""

    prepare: dict[str, Json]
    switch: dict[str, Json]
    retire: dict[str, Json]


def phases(old: File, new: File) -> Phases:
    """The files of a node on its way from `old`, in whatever phase, to `new`.

    A node that is linked to none goes there in one step.
    """
    if not old.get("links") and not new.get("links"):
        return Phases(prepare=dict(old), switch=dict(new), retire=dict(new))
    prepare = _both(_with_entrances(old, new), new)
    return Phases(prepare=prepare, switch=_both(new, old), retire=dict(new))


def _both(main: File, other: File) -> dict[str, Json]:
    """All of `main`, and of `other` what takes packets from links."""
    chains = {chain["name"]: dict(chain) for chain in main.get("chains", [])}
    others = {chain["name"]: chain for chain in other.get("chains", [])}
    for chain in others.values():
        for version in _from_links(chain):
            _add(chains, chain["name"], version)
            _add_way_back(chains, others.get(version.get("returns")))
    return {
        **main,
        "services": {**other.get("services", {}), **main.get("services", {})},
        "links": {**other.get("links", {}), **main.get("links", {})},
        "chains": [*chains.values()],
    }


def _with_entrances(old: File, new: File) -> dict[str, Json]:
    """All of `old`, and closed what packets of `new` enter by ports."""
    chains = {chain["name"]: dict(chain) for chain in old.get("chains", [])}
    for chain in new.get("chains", []):
        known = chains.get(chain["name"], {})
        if "path" in chain and not any(_from_links(chain)) and _way(chain) != _way(known):
            _add(chains, chain["name"], _closed(new, chain))
    return {**old, "chains": [*chains.values()]}


def _way(chain: Mapping[str, Any]) -> list[Any]:
    return [chain.get(key) for key in ("path", "egress", "returns")]


def _closed(file: File, chain: Mapping[str, Any]) -> dict[str, Any]:
    """The chain as a version that takes nothing yet; what a lane takes is that of its spread."""
    spreads = [one for one in file["chains"] if chain["name"] in one.get("lanes", ())]
    match = [*chain.get("match", ()), *(way for one in spreads for way in one["match"])]
    return {**_version(chain), "match": match, "closed": True}


def _from_links(chain: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The versions of a chain that take packets from links."""
    for version in (chain, *chain.get("also", ())):
        matches = version.get("match", [])
        if matches and all("link" in match for match in matches):
            yield _version(version)


def _version(chain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: chain[key] for key in _VERSION_KEYS if key in chain}


def _add(chains: dict[str, dict[str, Any]], name: str, version: dict[str, Any]) -> None:
    known = chains.get(name)
    if known is None:
        chains[name] = {"name": name, **version}
    elif version not in (_version(known), *known.get("also", ())):
        known["also"] = [*known.get("also", ()), version]


def _add_way_back(chains: dict[str, dict[str, Any]], chain: Mapping[str, Any] | None) -> None:
    """The way back of what comes by links; packets do not enter it by itself."""
    if chain is not None and chain["name"] not in chains:
        closed = {key: value for key, value in chain.items() if key not in ("match", "priority")}
        chains[chain["name"]] = closed

# SPDX-License-Identifier: BSD-3-Clause
"""From one state of a lab to the next, without a packet that finds half of both.

    prepare  every node takes packets of the new chains from its links as well
    switch   packets that enter the lab take the new chains; those on their way between
             nodes still find the old ones
    retire   the new state alone

A chain's parts on different nodes carry a path id that is made of what the chain
is, so old and new never mix.  While a node has both, the second stands in the
chain's key `also`: another version, which takes packets from links only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime.chains.spec import Json

File = Mapping[str, Any]

_VERSION_KEYS = ("match", "path", "egress", "returns")


@dataclass(frozen=True)
class Phases:
    """The content of a node's chains file in each phase."""

    prepare: dict[str, Json]
    switch: dict[str, Json]
    retire: dict[str, Json]


def phases(old: File, new: File) -> Phases:
    """The files of a node on its way from `old` to `new`, both without `also`."""
    return Phases(prepare=_both(old, new), switch=_both(new, old), retire=dict(new))


def _both(main: File, other: File) -> dict[str, Json]:
    """All of `main`, and of `other` what takes packets from links."""
    chains = {chain["name"]: dict(chain) for chain in main.get("chains", [])}
    others = {chain["name"]: chain for chain in other.get("chains", [])}
    for chain in others.values():
        if _from_link(chain):
            _add(chains, chain)
            _add_way_back(chains, others.get(chain.get("returns")))
    return {
        **main,
        "services": {**other.get("services", {}), **main.get("services", {})},
        "links": {**other.get("links", {}), **main.get("links", {})},
        "chains": [*chains.values()],
    }


def _add(chains: dict[str, dict[str, Any]], chain: Mapping[str, Any]) -> None:
    version = {key: chain[key] for key in _VERSION_KEYS if key in chain}
    known = chains.get(chain["name"])
    if known is None:
        chains[chain["name"]] = dict(chain)
    elif version != {key: known[key] for key in _VERSION_KEYS if key in known}:
        known["also"] = [version]


def _add_way_back(chains: dict[str, dict[str, Any]], chain: Mapping[str, Any] | None) -> None:
    """The way back of what comes by links; packets do not enter it by itself."""
    if chain is not None and chain["name"] not in chains:
        closed = {key: value for key, value in chain.items() if key not in ("match", "priority")}
        chains[chain["name"]] = closed


def _from_link(chain: Mapping[str, Any]) -> bool:
    matches = chain.get("match", [])
    return bool(matches) and all("link" in match for match in matches)

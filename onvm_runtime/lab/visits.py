# SPDX-License-Identifier: BSD-3-Clause
"""Where a chain of a lab leads: its parts on nodes, in a packet's order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Part = tuple[str, Mapping[str, Any]]  # a node, and a chain in its file


def belongs_to(name: str, chain: str) -> bool:
    """Whether a node's chain is `chain` itself, or a lane, a way back or a further visit of it.

    compile.py lists the names of what a chain becomes.
    """
    part = rf"{re.escape(chain)}(-\d+|-all(?=-back))?(-back)?(-s\d+)?"
    return re.fullmatch(part, name) is not None


def visits(files: Mapping[str, Mapping[str, Any]], chain: str) -> list[tuple[str, str]]:
    """The nodes and the names of the chain's parts there: lane by lane, forth and then back.

    files  the content of every node's chains file
    """
    parts = [
        (node, part)
        for node, file in files.items()
        for part in file.get("chains", ())
        if "path" in part and belongs_to(part["name"], chain)
    ]
    firsts = sorted(
        (part for part in parts if not any(map(_is_tag, _matches(part)))), key=_forth_first
    )
    return [(node, part["name"]) for first in firsts for node, part in _way(first, parts)]


def _forth_first(part: Part) -> tuple[bool, str]:
    return bool(part[1].get("way_back")), part[1]["name"]


def _matches(part: Part) -> Sequence[Mapping[str, Any]]:
    found = part[1].get("match", ())
    return [found] if isinstance(found, Mapping) else found


def _is_tag(match: Mapping[str, Any]) -> bool:
    return "link" in match


def _way(first: Part, parts: Sequence[Part]) -> Iterator[Part]:
    at: Part | None = first
    for _ in range(len(parts)):
        if at is None:
            return
        yield at
        way_out = at[1].get("egress")
        at = next((part for part in parts if way_out in _matches(part)), None)

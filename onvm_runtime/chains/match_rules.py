# SPDX-License-Identifier: BSD-3-Clause
"""What must hold between matches: each can be met, none takes another's packets.

Only matches that were read whole are judged: half a match fits more packets
than was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from onvm_runtime.chains import matching
from onvm_runtime.chains.document import Problems
from onvm_runtime.chains.spec import Chain, Exit, LabSpec, Match, Version


class _Placed(NamedTuple):
    """A match of a chain, and its dotted key."""

    chain: Chain
    match: Match
    key: str


def apply(spec: LabSpec, problems: Problems) -> None:
    """Adds every problem that matches have."""
    _refuse_no_way_back(spec, problems)
    _refuse_contradictions(_whole(spec, problems), spec, problems)
    for later, message in list(_conflicts(_whole(spec, problems), spec)):
        problems.add(later.key, spec.places.line(later.key), message)


def match_keys(spec: LabSpec, key: str, chain: Chain | Version) -> list[str]:
    """The dotted keys of the matches of what stands at `key`: a mapping's, or a list's items'."""
    if f"{key}.match[0]" in spec.places.lines:
        return [f"{key}.match[{n}]" for n in range(len(chain.match))]
    return [f"{key}.match"] * len(chain.match)


def _whole(spec: LabSpec, problems: Problems) -> list[_Placed]:
    return [
        _Placed(chain, match, key)
        for index, chain in enumerate(spec.chains)
        for match, key in zip(chain.match, match_keys(spec, f"chains[{index}]", chain), strict=True)
        if chain.name and not chain.closed and not problems.within(key)
    ]


def _refuse_no_way_back(spec: LabSpec, problems: Problems) -> None:
    for index, chain in enumerate(spec.chains):
        key = f"chains[{index}].bidirectional"
        message = _no_way_back(chain)
        if message and not problems.within(f"chains[{index}].match"):
            problems.add(key, spec.places.line(key), message)


def _no_way_back(chain: Chain) -> str:
    ports = {match.port for match in chain.match}
    if not chain.bidirectional:
        return ""
    if isinstance(chain.egress, Exit):
        return "the way back from another node is a chain of its own: name it in returns"
    if len(ports) != 1 or None in ports:
        return (
            "return traffic needs one port to leave by: every match must name the same port, "
            "or set bidirectional to false"
        )
    if chain.egress in ports:
        return (
            f"the egress {chain.egress!r} is the port of the match too, so both directions "
            "would come in by it: use another egress, or set bidirectional to false"
        )
    return ""


def _refuse_contradictions(placed: Iterable[_Placed], spec: LabSpec, problems: Problems) -> None:
    for one in placed:
        for name, message in matching.contradictions(one.match):
            key = f"{one.key}.{name}"
            problems.add(key, spec.places.line(key), message)


def _conflicts(placed: Iterable[_Placed], spec: LabSpec) -> Iterator[tuple[_Placed, str]]:
    """No packet may find two rules of equal priority that name different chains."""
    by_priority: dict[int, list[_Placed]] = defaultdict(list)
    for one in placed:
        resolved = one._replace(match=matching.resolve(one.match))
        by_priority[one.chain.priority].append(resolved)
    for group in by_priority.values():
        for first, second in combinations(group, 2):
            message = _conflict(first, second, spec.places.line(first.key))
            if message:
                yield second, message


def _conflict(first: _Placed, second: _Placed, line: int) -> str:
    same = first.match == second.match
    if first.chain.name == second.chain.name:
        return f"repeats the match in line {line}: remove one" if same else ""
    if first.chain.way_back or second.chain.way_back:
        return ""
    if not matching.overlap(first.match, second.match):
        return ""
    return (
        f"takes {'the' if same else 'some of the'} same packets as chain {first.chain.name!r} "
        f"(line {line}) at the same priority {first.chain.priority}: "
        "give one of them a higher priority"
    )

# SPDX-License-Identifier: BSD-3-Clause
"""What an apply would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onvm_runtime.chains.spec import Json, LabSpec


@dataclass(frozen=True)
class Change:
    """One service, chain or the default that differs.

    kind    service, link, chain, or default
    action  added, removed, or changed
    before  the old keys and values; for `changed` only those that differ
    after   likewise the new ones
    """

    kind: str
    name: str
    action: str
    before: Mapping[str, Json]
    after: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        """The change as the API sends it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "action": self.action,
            "before": dict(self.before),
            "after": dict(self.after),
        }


Described = Mapping[str, Mapping[str, Json]]


def diff(old: LabSpec | None, new: LabSpec) -> list[Change]:
    """The changes from `old` (None: nothing was there) to `new`; empty when they say the same.

    Services first, then links, chains and the default; what is removed stands last
    of its kind.
    """
    before = _describe(old or LabSpec())
    return [
        change
        for kind, after in _describe(new).items()
        for change in _changes(kind, before[kind], after)
    ]


def _describe(spec: LabSpec) -> dict[str, Described]:
    return {
        "service": {name: service.to_json() for name, service in spec.services.items()},
        "link": {name: link.to_json() for name, link in spec.links.items()},
        "chain": {chain.name: chain.to_json() for chain in spec.chains},
        "default": {} if spec.default is None else {"default": {"chain": spec.default}},
    }


def _changes(kind: str, before: Described, after: Described) -> Iterator[Change]:
    for name, keys in after.items():
        if name not in before:
            yield Change(kind, name, "added", {}, keys)
        elif before[name] != keys:
            yield _changed(kind, name, before[name], keys)
    for name, keys in before.items():
        if name not in after:
            yield Change(kind, name, "removed", keys, {})


def _changed(kind: str, name: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Change:
    differ = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return Change(
        kind,
        name,
        "changed",
        {key: before[key] for key in differ if key in before},
        {key: after[key] for key in differ if key in after},
    )

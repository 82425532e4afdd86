# SPDX-License-Identifier: BSD-3-Clause
"""Which services share processes.

Two services are neighbours where a path has one behind the other, or where one may send to
the other by `to`.  Neighbours that both have `fuse` are of one group, whatever chain makes
them so; thus chains cannot disagree.  Replica n of each runs in process n of the group.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from onvm_runtime.chains import limits
from onvm_runtime.chains.spec import LabSpec, versions


@dataclass(frozen=True)
class Group:
    """Two or more services in the order of the file."""

    services: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Four hexadecimal digits that stand for this set of services."""
        return f"{zlib.crc32(' '.join(self.services).encode()) & 0xFFFF:04x}"


def groups(spec: LabSpec) -> list[Group]:
    """The groups of a lab."""
    left = {name for name, service in spec.services.items() if service.fuse}
    found = []
    for name in spec.services:
        together = _reach(name, _neighbours(spec)) if name in left else set()
        left -= together
        if len(together) > 1:
            found.append(Group(tuple(each for each in spec.services if each in together)))
    return found


def scaled_with(spec: LabSpec, service: str) -> tuple[str, ...]:
    """The services that must have as many replicas as this one, itself included."""
    for group in groups(spec):
        if service in group.services:
            return group.services
    return (service,)


def problems(spec: LabSpec) -> Iterator[tuple[str, str]]:
    """What is wrong with groups, as (key, sentence)."""
    for group in groups(spec):
        first = group.services[0]
        if len(group.services) > limits.FUSED:
            yield (
                f"services.{first}.fuse",
                f"{len(group.services)} services would share a process: at most {limits.FUSED} "
                "can, remove 'fuse' from some",
            )
        for name in group.services:
            yield from _member_problems(spec, first, name)


def _member_problems(spec: LabSpec, first: str, name: str) -> Iterator[tuple[str, str]]:
    if spec.services[name].placement != spec.services[first].placement:
        yield (
            f"services.{name}.placement",
            f"differs from that of {first!r}, with which it is fused: give both the same",
        )
    wanted, has = spec.services[first].replicas, spec.services[name].replicas
    if has != wanted:
        yield (
            f"services.{name}.replicas",
            f"is {has}, but {first!r}, with which it is fused, has {wanted}: "
            "give both the same number",
        )
    if len(name) > limits.FUSED_SERVICE_NAME:
        yield (
            f"services.{name}",
            f"the name has {len(name)} characters: at most {limits.FUSED_SERVICE_NAME} fit where "
            "services are fused, shorten it",
        )


def _neighbours(spec: LabSpec) -> dict[str, set[str]]:
    """The neighbours of every service with `fuse` that have it, too."""
    near: dict[str, set[str]] = {
        name: set() for name, service in spec.services.items() if service.fuse
    }
    for one, other in _adjacent(spec):
        if one in near and other in near:
            near[one].add(other)
            near[other].add(one)
    return near


def _adjacent(spec: LabSpec) -> Iterator[tuple[str, str]]:
    for _, version in versions(spec):
        yield from pairwise(version.path)
    for service in spec.services.values():
        for branch in service.branches:
            yield service.name, branch


def _reach(start: str, near: dict[str, set[str]]) -> set[str]:
    found, todo = {start}, [start]
    while todo:
        new = near[todo.pop()] - found
        found |= new
        todo += new
    return found

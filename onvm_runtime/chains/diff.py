# SPDX-License-Identifier: BSD-3-Clause
"""What an apply would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onvm_runtime.chains.spec import Json, LabSpec


@dataclass(frozen=True)
class Change:
    """One service, chain or the default that differs.

    kind    service, chain, or default
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
        raise NotImplementedError


def diff(old: LabSpec | None, new: LabSpec) -> list[Change]:
    """The changes from `old` to `new`, in order of the file; empty when they say the same."""
    raise NotImplementedError

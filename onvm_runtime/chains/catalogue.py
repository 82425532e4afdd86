# SPDX-License-Identifier: BSD-3-Clause
"""The catalogue: which NFs there are and which parameters they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onvm_runtime.chains.spec import Json


@dataclass(frozen=True)
class NF:
    """One entry: an NF's name, a sentence about it, the JSON Schema of its parameters."""

    name: str
    summary: str
    parameters: Mapping[str, Json]


class Catalogue(dict[str, NF]):
    """The known NFs by name."""

    @classmethod
    def load(cls, texts: Iterable[tuple[str, str]]) -> Catalogue:
        """Reads (source, text of an nf.yml) pairs.

        Raises SpecError when an entry is incomplete, defined twice, or its
        `parameters` are no JSON Schema.
        """
        raise NotImplementedError

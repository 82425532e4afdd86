# SPDX-License-Identifier: BSD-3-Clause
"""Reading and checking a chains file."""

from __future__ import annotations

from collections.abc import Collection

from onvm_runtime.chains.catalogue import Catalogue
from onvm_runtime.chains.spec import LabSpec


def load(text: str, source: str) -> LabSpec:
    """Reads a chains file; `source` names it in problems.

    Raises SpecError with everything that is wrong in the file itself.
    """
    raise NotImplementedError


def validate(spec: LabSpec, catalogue: Catalogue, ports: Collection[str]) -> None:
    """Checks a loaded spec against the NFs and ports of a node.

    Raises SpecError: unknown NFs, parameters that break an NF's schema, unknown ports.
    """
    raise NotImplementedError


def check(text: str, source: str, catalogue: Catalogue, ports: Collection[str]) -> LabSpec:
    """`load` and `validate` in one, so that one SpecError holds the problems of both."""
    raise NotImplementedError

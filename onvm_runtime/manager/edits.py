# SPDX-License-Identifier: BSD-3-Clause
"""Small changes of a spec that need no file: scale a service, remove a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from onvm_runtime.chains import LabSpec, scaled_with
from onvm_runtime.manager.failure import NotFound

Edit = Callable[[LabSpec], LabSpec]

_MARK = " (changed through the API)"


def scale(service: str, replicas: int) -> Edit:
    """Gives a service, and those fused with it, as many replicas; the edit raises NotFound."""

    def edit(spec: LabSpec) -> LabSpec:
        if service not in spec.services:
            raise NotFound(f"there is no service {service}; there are: {_names(spec.services)}")
        scaled = {
            name: replace(spec.services[name], replicas=replicas)
            for name in scaled_with(spec, service)
        }
        return replace(spec, services={**spec.services, **scaled})

    return edit


def remove_chain(name: str) -> Edit:
    """Removes a chain, also as the default; the edit raises NotFound.  Services stay."""

    def edit(spec: LabSpec) -> LabSpec:
        left = tuple(chain for chain in spec.chains if chain.name != name)
        if left == spec.chains:
            names = _names(chain.name for chain in spec.chains)
            raise NotFound(f"there is no chain {name}; there are: {names}")
        default = None if spec.default == name else spec.default
        return replace(spec, chains=left, default=default)

    return edit


def source(before: str) -> str:
    """Names a text that was written from another."""
    return before if before.endswith(_MARK) else f"{before}{_MARK}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"

# SPDX-License-Identifier: BSD-3-Clause
"""Small changes of a spec that need no file: scale a service, remove a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from onvm_runtime.chains import LabSpec, Service, scaled_with
from onvm_runtime.manager.failure import Conflict, NotFound

Edit = Callable[[LabSpec], LabSpec]

_MARK = " (changed through the API)"


def scale(service: str, replicas: int) -> Edit:
    """Gives a service, and those fused with it, as many replicas; the edit raises NotFound."""

    def edit(spec: LabSpec) -> LabSpec:
        if service not in spec.services:
            raise NotFound(f"there is no service {service}; there are: {_names(spec.services)}")
        return _with_replicas(spec, service, replicas)

    return edit


def scale_by_hand(service: str, replicas: int) -> Edit:
    """As `scale`, for people: the edit raises Conflict where a policy decides."""

    def edit(spec: LabSpec) -> LabSpec:
        policy = spec.services[service].autoscale if service in spec.services else None
        if policy:
            raise Conflict(
                f"service {service} is scaled by its policy, from {policy.min} to {policy.max}: "
                "change or remove `autoscale` in the chains file"
            )
        return scale(service, replicas)(spec)

    return edit


def keep_autoscaled(before: LabSpec, spec: LabSpec) -> LabSpec:
    """Lets services with a policy, before and now, keep their replicas, within its bounds."""
    for name, service in spec.services.items():
        known = before.services.get(name)
        if service.autoscale and known and known.autoscale:
            replicas = min(max(known.replicas, service.autoscale.min), service.autoscale.max)
            spec = _with_replicas(spec, name, replicas)
    return spec


def _with_replicas(spec: LabSpec, name: str, replicas: int) -> LabSpec:
    scaled = {other: _scaled(spec.services[other], replicas) for other in scaled_with(spec, name)}
    return replace(spec, services={**spec.services, **scaled})


def _scaled(service: Service, replicas: int) -> Service:
    weights = service.weights if service.autoscale else service.weights[:replicas]
    return replace(service, replicas=replicas, weights=weights)


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

# SPDX-License-Identifier: BSD-3-Clause
"""From services to the NFs that run, each in a process of its own or fused with others."""

from __future__ import annotations

from collections.abc import Mapping

from onvm_runtime.chains.fusion import Group, groups
from onvm_runtime.chains.spec import Instance, LabSpec, Service


def instances(spec: LabSpec) -> list[Instance]:
    """The NFs that a lab wants, named `<service>-<n>` with n from 1.

    Those of fused services are named `<service>-<n>.<tag>`, with the tag of their group: who
    changes its process becomes another instance, so that it can take over without a gap.
    """
    group_of = {name: group for group in groups(spec) for name in group.services}
    return [
        _instance(spec.services, service, n, group_of.get(service.name))
        for service in spec.services.values()
        for n in range(1, service.replicas + 1)
    ]


def replica(spec: LabSpec, service: str, number: int) -> Instance:
    """An instance of a service in a process of its own, also beyond the service's replicas."""
    return _instance(spec.services, spec.services[service], number, None)


def _instance(
    services: Mapping[str, Service], service: Service, n: int, group: Group | None
) -> Instance:
    fused: tuple[tuple[str, str], ...] = ()
    name = f"{service.name}-{n}"
    if group:
        name = f"{name}.{group.tag}"
        fused = tuple((f"{each}-{n}.{group.tag}", services[each].nf) for each in group.services)
    together = [services[each] for each in group.services] if group else [service]
    return Instance(
        name,
        service.name,
        service.nf,
        service.parameters,
        service.branches,
        fused,
        together[0].placement,
        sum(each.cpu_weight for each in together),
        any(each.by_rate for each in together),
        service.weight(n),
        service.stateful,
        n,
    )

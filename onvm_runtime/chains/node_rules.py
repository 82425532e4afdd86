# SPDX-License-Identifier: BSD-3-Clause
"""What must hold in a lab on a certain node: its NFs, their parameters, its ports, its CPUs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from onvm_runtime.chains.catalogue import NF, Catalogue
from onvm_runtime.chains.document import Problems
from onvm_runtime.chains.match_rules import match_keys
from onvm_runtime.chains.parameters import parameter_problems
from onvm_runtime.chains.problem import suggest
from onvm_runtime.chains.spec import LabSpec, Service, versions


def apply(
    spec: LabSpec,
    catalogue: Catalogue,
    ports: Collection[str],
    problems: Problems,
    cpus: Collection[int] = (),
) -> None:
    """Adds every problem that the spec has on a node with these NFs, ports and CPUs.

    No CPUs: the node does not know its own.
    """
    wrong = (
        *_wrong_services(spec, catalogue), *_unknown_ports(spec, ports), *_absent_cpus(spec, cpus)
    )  # fmt: skip
    found = [(key, message) for key, message in wrong if not problems.within(key)]
    for key, message in found:
        problems.add(key, spec.places.line(key), message)


def _wrong_services(spec: LabSpec, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for service in spec.services.values():
        key = f"services.{service.name}"
        entry = catalogue.get(service.nf)
        if entry:
            yield from parameter_problems(entry.parameters, service.parameters, f"{key}.parameters")
            if entry.shares:
                yield from _too_few_shares(entry, service)
        elif service.nf:
            yield f"{key}.nf", f"no NF {service.nf!r}; {suggest(service.nf, catalogue)}"


def _too_few_shares(entry: NF, service: Service) -> Iterator[tuple[str, str]]:
    """Replicas that divide a resource have a share each, whatever their number is just now."""
    most = service.autoscale.max if service.autoscale else service.replicas
    shares = service.parameters.get(entry.shares, 1)
    if isinstance(shares, int) and most > shares:
        yield (
            f"services.{service.name}.replicas",
            f"{most} replicas of {service.nf} need as many shares: "
            f"give it the parameter {entry.shares}, {most} or more",
        )


def _absent_cpus(spec: LabSpec, cpus: Collection[int]) -> Iterator[tuple[str, str]]:
    for service in spec.services.values():
        named = service.placement if isinstance(service.placement, tuple) else ()
        absent = [str(cpu) for cpu in named if cpu not in cpus]
        if cpus and absent:
            there = ", ".join(map(str, sorted(cpus)))
            yield (
                f"services.{service.name}.placement",
                f"no CPU {', '.join(absent)} for NFs here; there are {there}",
            )


def _unknown_ports(spec: LabSpec, ports: Collection[str]) -> Iterator[tuple[str, str]]:
    for key, port in _named_ports(spec):
        if port and port not in ports:
            yield key, f"no port {port!r}; {suggest(port, ports)}"


def _named_ports(spec: LabSpec) -> Iterator[tuple[str, str | None]]:
    for link in spec.links.values():
        yield f"links.{link.name}.port", link.port
    for place, version in versions(spec):
        if isinstance(version.egress, str):
            yield f"{place}.egress", version.egress
        for match, key in zip(version.match, match_keys(spec, place, version), strict=True):
            yield f"{key}.port", match.port

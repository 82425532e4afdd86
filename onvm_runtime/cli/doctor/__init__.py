# SPDX-License-Identifier: BSD-3-Clause
"""Examines the host: one small check for everything that the testbed needs of it.

Works without root and without a manager; what needs either says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from onvm_runtime.cli.doctor import containers, devices, memory, processor, software
from onvm_runtime.cli.doctor.finding import Finding, Level, fail, warn
from onvm_runtime.cli.doctor.host import Host
from onvm_runtime.cli.doctor.services import running
from onvm_runtime.manager.config import NodeConfig

Check = Callable[[Host, NodeConfig], Iterable[Finding]]

CHECKS: Mapping[str, Check] = {
    "kernel": software.kernel,
    "cpu": processor.features,
    "cores": processor.cores,
    "numa": processor.numa,
    "hugepages": memory.hugepages,
    "locked memory": memory.locked_memory,
    "iommu": devices.iommu,
    "drivers": devices.drivers,
    "interfaces": devices.interfaces,
    "data plane": software.dataplane,
    "docker": containers.containers,
}


def examine(host: Host, node: NodeConfig) -> Iterator[tuple[str, Finding]]:
    """All findings of all checks, with the check's name."""
    for name, check in CHECKS.items():
        for finding in check(host, node):
            yield name, finding


__all__ = ["CHECKS", "Finding", "Host", "Level", "examine", "fail", "running", "warn"]

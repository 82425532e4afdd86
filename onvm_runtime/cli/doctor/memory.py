# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages and limits on locked memory."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass

from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.doctor.host import Host
from onvm_runtime.manager.config import NodeConfig

MIB = 1 << 20
DPDK_BYTES = 80 * MIB  # what DPDK takes for itself, beside the packet region
_PAGE = 2 * MIB


@dataclass(frozen=True)
class _Pool:
    numa: str
    size: int
    total: int
    free: int

    def __str__(self) -> str:
        return (
            f"{self.free} of {self.total} pages of {self.size // MIB} MiB free on NUMA {self.numa}"
        )


def hugepages(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Free hugepages, for each size and NUMA node, against what the data plane takes."""
    pools = [pool for pool in _pools(host) if pool.total]
    plane = node.dataplane
    needed = plane.buffers * plane.buffer_size + DPDK_BYTES
    for pool in pools:
        yield ok(str(pool))
    if plane.hugepages == "off":
        yield ok("the node is configured to do without hugepages")
    elif sum(pool.free * pool.size for pool in pools) < needed and not _in_use(pools, needed):
        say = fail if plane.hugepages == "required" else warn
        yield say(_shortage(pools, needed), _more_pages(host, pools, needed))


def _shortage(pools: list[_Pool], needed: int) -> str:
    free = sum(pool.free * pool.size for pool in pools)
    return (
        f"{free // MIB} MiB of hugepages are free and the data plane wants {needed // MIB}: "
        "it runs on ordinary pages instead, slower"
    )


def _more_pages(host: Host, pools: list[_Pool], needed: int) -> str:
    total = sum(pool.total for pool in pools if pool.size == _PAGE)
    free = sum(pool.free * pool.size for pool in pools)
    pages = total + -(-(needed - free) // _PAGE)
    if not host.exists("/sys/kernel/mm/hugepages/hugepages-2048kB"):
        return "This kernel has no 2 MiB pages: set dataplane.hugepages to off."
    return (
        f"As root: sysctl vm.nr_hugepages={pages}; or raise onvm_hugepages_count and run site.yml."
    )


def _in_use(pools: list[_Pool], needed: int) -> bool:
    """Whether enough are taken, as they are while the data plane runs."""
    return sum((pool.total - pool.free) * pool.size for pool in pools) >= needed


def _pools(host: Host) -> Iterator[_Pool]:
    for folder in host.find("/sys/devices/system/node/node*/hugepages/hugepages-*kB"):
        size = re.search(r"hugepages-(\d+)kB", folder.name)
        numa = folder.parent.parent.name.removeprefix("node")
        name = str(folder.relative_to(host.root))
        if size:
            yield _Pool(
                numa,
                int(size[1]) << 10,
                host.number(f"{name}/nr_hugepages", 0),
                host.number(f"{name}/free_hugepages", 0),
            )


def locked_memory(_host: Host, node: NodeConfig) -> Iterator[Finding]:
    """The limit on locked memory of whoever starts the data plane from here."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    needed = node.dataplane.buffers * node.dataplane.buffer_size
    if soft == resource.RLIM_INFINITY or os.geteuid() == 0:
        yield ok("no limit on locked memory")
    elif soft >= needed:
        yield ok(f"{soft // MIB} MiB may be locked, the packet region has {needed // MIB}")
    else:
        yield warn(
            f"{soft // MIB} MiB may be locked, the packet region has {needed // MIB}",
            "Only for a data plane that you start by hand: run it as root, or raise `ulimit -l`.",
        )

# SPDX-License-Identifier: BSD-3-Clause
"""Kernel, data plane and package: versions that must go together."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterator

from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.doctor.host import Host, output
from onvm_runtime.manager.config import NodeConfig

_OLDEST_KERNEL = (5, 1)  # F_SEAL_FUTURE_WRITE, which keeps routes read-only for NFs
_KNOWN_DPDK = ("21.11", "22.11", "23.11", "24.11")


def kernel(_host: Host, _node: NodeConfig) -> Iterator[Finding]:
    """Whether the kernel can seal memory as the protocol needs it."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version >= _OLDEST_KERNEL:
        yield ok(f"Linux {platform.release()}")
    else:
        yield fail(
            f"Linux {platform.release()} cannot seal shared memory as NFs need it",
            "Use Linux 5.1 or newer; Debian 12 has 6.1.",
        )


def dataplane(_host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Version of the data plane, of its DPDK, and of the protocol that it speaks."""
    program = node.dataplane.program
    try:
        said = output(str(program), "--version")
    except FileNotFoundError:
        yield fail(
            f"there is no {program}", "Run site.yml, or correct dataplane.program in node.yml."
        )
        return
    except (OSError, subprocess.SubprocessError) as error:
        yield fail(
            f"{program} does not run: {_reason(error)}",
            "Are DPDK's libraries installed? Run site.yml again.",
        )
        return
    yield from _versions(said)


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", "")
    return str(said).strip().splitlines()[-1] if said else str(error)


def _versions(said: str) -> Iterator[Finding]:
    """Reads `onvm-dataplane 0.1.0, ABI 1, DPDK 22.11.11`."""
    abi = re.search(r"ABI (\d+)", said)
    dpdk = re.search(r"DPDK (\d+\.\d+)", said)
    if not abi or not dpdk:
        yield fail(
            f"onvm-dataplane speaks of itself as {said!r}", "Install it again: run site.yml."
        )
        return
    if dpdk[1] in _KNOWN_DPDK:
        yield ok(said)
    else:
        yield warn(f"{said}: never tried", f"Tested are DPDK {', '.join(_KNOWN_DPDK)}.")
    yield _agreement(int(abi[1]))


def _agreement(theirs: int) -> Finding:
    try:
        from onvm_runtime.control import ABI
    except ImportError as error:
        return fail(
            f"the control library of this package does not load: {error}",
            "Install the package again: run site.yml, or `pip install .`.",
        )
    if theirs == ABI:
        return ok(f"data plane and this package both speak protocol version {ABI}")
    return fail(
        f"the data plane speaks protocol version {theirs}, this package {ABI}",
        "Install both from the same release: run site.yml.",
    )

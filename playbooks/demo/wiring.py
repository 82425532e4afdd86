# SPDX-License-Identifier: BSD-3-Clause
"""Makes the hosts of the lab and their wires, and removes them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from .lab import HOSTS, PREFIX4, PREFIX6, Host

NAMESPACES = Path("/run/netns")


def inside(host: Host, command: Sequence[str]) -> list[str]:
    """Return the command line that runs a command on a host."""
    return ["ip", "netns", "exec", host.namespace, *command]


def exists(host: Host) -> bool:
    """Whether the host was made already."""
    return (NAMESPACES / host.namespace).exists()


def connect() -> bool:
    """Make the hosts that are missing; returns whether any was."""
    missing = [host for host in HOSTS if not exists(host)]
    for host in missing:
        _make(host)
    return bool(missing)


def disconnect() -> None:
    """Remove the hosts, and with them their wires."""
    for host in filter(exists, HOSTS):
        _ip("netns", "delete", host.namespace)


def _make(host: Host) -> None:
    _ip("netns", "add", host.namespace)
    _ip("link", "add", host.port, "type", "veth", "peer", "eth0", "netns", host.namespace)
    # The node's own kernel has no business on the wire.
    Path(f"/proc/sys/net/ipv6/conf/{host.port}/disable_ipv6").write_text("1")
    _ip("link", "set", host.port, "up")
    _inside(host, "link", "set", "lo", "up")
    _inside(host, "link", "set", "eth0", "address", host.mac, "up")
    _inside(host, "address", "add", f"{host.address4}/{_bits(PREFIX4)}", "dev", "eth0")
    # Nobody else can have the address: waiting for that would only delay the first packet.
    _inside(host, "address", "add", f"{host.address6}/{_bits(PREFIX6)}", "dev", "eth0", "nodad")


def _bits(prefix: str) -> str:
    return prefix.rpartition("/")[2]


def _inside(host: Host, *words: str) -> None:
    _ip("-netns", host.namespace, *words)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)

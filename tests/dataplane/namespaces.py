# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces of a test's own, joined by veth pairs, and sockets in them."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CLONE_NEWNET = 0x40000000


def ip(*arguments: str) -> str:
    """Runs ip(8); what it prints is in the error of a failed test."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Namespace:
    """One network namespace; its name is unique, and it goes with `close`."""

    def __init__(self, role: str) -> None:
        self.name = f"onvm-{role}-{os.getpid()}"
        ip("netns", "add", self.name)
        self.sysctl("net.ipv6.conf.default.accept_dad", "0")
        self.ip("link", "set", "lo", "up")

    def close(self) -> None:
        """Removes it with all that is in it."""
        ip("netns", "del", self.name)

    def ip(self, *arguments: str) -> str:
        """Runs ip(8) in it."""
        return ip("-n", self.name, *arguments)

    def run(self, *command: str) -> str:
        """Runs a command in it that must succeed."""
        full = ["ip", "netns", "exec", self.name, *command]
        done = subprocess.run(full, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def sysctl(self, key: str, value: str) -> None:
        """Sets one of its kernel parameters."""
        self.run("sysctl", "-qw", f"{key}={value}")

    def address(self, interface: str, *addresses: str) -> None:
        """Gives an interface its addresses and switches it on."""
        for address in addresses:
            self.ip("address", "add", address, "dev", interface)
        self.ip("link", "set", interface, "up")

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Opens a socket in it, for use from anywhere."""
        made = self.visit(lambda: socket.socket(family, kind, protocol))
        made.settimeout(20)
        return made

    def visit(self, action: Callable[[], T]) -> T:
        """Does something in it, by a thread that enters it and ends there."""
        results: list[T] = []
        errors: list[OSError] = []
        visitor = threading.Thread(target=self._visit, args=(action, results, errors))
        visitor.start()
        visitor.join()
        for error in errors:
            raise error
        return results[0]

    def _visit(self, action: Callable[[], T], results: list[T], errors: list[OSError]) -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path("/run/netns", self.name).open() as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")
            results.append(action())
        except OSError as error:
            errors.append(error)

    def statistics(self, protocol: str) -> dict[str, int]:
        """One protocol's row of /proc/net/snmp."""
        rows = [line.split() for line in self.run("cat", "/proc/net/snmp").splitlines()]
        names, values = (row for row in rows if row[0] == f"{protocol}:")
        return dict(zip(names[1:], map(int, values[1:]), strict=True))


def join(left: Namespace, left_interface: str, right: Namespace, right_interface: str) -> None:
    """A veth pair from one namespace to the other, both ends up."""
    ip(
        *("link", "add", left_interface, "netns", left.name, "type", "veth"),
        *("peer", "name", right_interface, "netns", right.name),
    )
    left.ip("link", "set", left_interface, "up")
    right.ip("link", "set", right_interface, "up")

# SPDX-License-Identifier: BSD-3-Clause
"""Numbered frames into one port and out of another, in a network namespace of the test's own."""

from __future__ import annotations

import ctypes
import itertools
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ETHERTYPE = 0x88B5  # for local experiments (IEEE Std 802)
HEADER = bytes.fromhex("020000000002 020000000001 88b5".replace(" ", ""))
SIZE = 60
PACE = 2000.0  # frames per second: far below what any machine can carry, so none may be lost
LOOK_SECONDS = 0.05
QUIET_SECONDS = 0.2  # without a frame, after the last one was sent
CLONE_NEWNET = 0x40000000  # linux/sched.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


class Namespace:
    """A network namespace with a veth pair for each port: the node's end, and ours."""

    def __init__(self, name: str) -> None:
        self.name = name
        _run("ip", "netns", "add", name)
        # Nothing but our frames: the kernel shall not look for routers.
        self._inside("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")

    def wire(self, name: str) -> None:
        """Makes the veth pair of a port."""
        self._inside("ip", "link", "add", f"n-{name}", "type", "veth", "peer", f"t-{name}")
        for end in ("n", "t"):
            self._inside("ip", "link", "set", f"{end}-{name}", "up")

    def join(self, left: str, right: str, mtu: int) -> None:
        """Makes a veth pair between the ports of two nodes."""
        self._inside("ip", "link", "add", f"n-{left}", "type", "veth", "peer", f"n-{right}")
        for end in (left, right):
            self._inside("ip", "link", "set", f"n-{end}", "mtu", str(mtu), "up")

    def cut(self, port: str) -> None:
        """Takes a port's interface down; `mend` brings it back."""
        self._inside("ip", "link", "set", f"n-{port}", "down")

    def mend(self, port: str) -> None:
        """Brings a port's interface up again."""
        self._inside("ip", "link", "set", f"n-{port}", "up")

    def unwire(self, name: str) -> None:
        """Removes the veth pair of a port."""
        self._inside("ip", "link", "del", f"n-{name}")

    def port(self, name: str) -> dict[str, Any]:
        """The port in node.yml."""
        return {"name": name, "kind": "af_packet", "interface": f"n-{name}", "netns": self.name}

    def socket(self, port: str, ethertype: int = ETHERTYPE) -> socket.socket:
        """A packet socket at our end of a port."""
        return _in_namespace(self.name, lambda: _packet_socket(f"t-{port}", ethertype))

    def tap(self, port: str, ethertype: int) -> socket.socket:
        """A packet socket at the node's own end: it hears what comes, and speaks as the node."""
        return _in_namespace(self.name, lambda: _packet_socket(f"n-{port}", ethertype))

    def close(self) -> None:
        """Removes it."""
        _run("ip", "netns", "del", self.name)

    def _inside(self, *command: str) -> None:
        _run("ip", "netns", "exec", self.name, *command)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _packet_socket(interface: str, ethertype: int) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    # A test that is kept waiting for a CPU shall not take its own losses for the node's.
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    opened.bind((interface, ethertype))
    return opened


def _in_namespace(name: str, work: Callable[[], socket.socket]) -> socket.socket:
    """Calls `work` in a namespace, on a thread that ends with it."""
    result: list[socket.socket] = []

    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{name}").open() as namespace:
            assert libc.setns(namespace.fileno(), CLONE_NEWNET) == 0, os.strerror(
                ctypes.get_errno()
            )
        result.append(work())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return result[0]


class Traffic:
    """Sends numbered frames at a steady pace and notes which arrive, and when."""

    def __init__(self, source: socket.socket, sink: socket.socket, pace: float) -> None:
        """`pace`: frames per second."""
        self.sent = 0
        self.arrived: dict[int, float] = {}
        self._source, self._sink, self._gap = source, sink, 1 / pace
        self._ends = threading.Event()
        self._stopped = 0.0
        self._sender = threading.Thread(target=self._send)
        self._receiver = threading.Thread(target=self._receive)
        self._receiver.start()
        self._sender.start()

    def _send(self) -> None:
        due = time.monotonic()
        while not self._ends.is_set():
            self._source.send(HEADER + self.sent.to_bytes(4, "big") + bytes(SIZE - 18))
            self.sent += 1
            due += self._gap
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        quiet = 0.0
        while quiet < QUIET_SECONDS:
            if select.select([self._sink], [], [], LOOK_SECONDS)[0]:
                frame = self._sink.recv(2048)
                self.arrived[int.from_bytes(frame[14:18], "big")] = time.monotonic()
                quiet = 0.0
            elif self._ends.is_set():
                quiet += LOOK_SECONDS

    def stop(self) -> int:
        """Ends the sender, waits for what is on its way, and returns how many were lost."""
        self._ends.set()
        self._stopped = self._stopped or time.monotonic()
        self._sender.join()
        self._receiver.join()
        return self.sent - len(self.arrived)

    def lost(self) -> int:
        """Frames sent up to now that have not arrived (yet)."""
        return self.sent - len(self.arrived)

    def gap_after(self, moment: float) -> float:
        """The longest pause in arrivals after `moment`, in seconds; one that goes on counts."""
        times = [*sorted(self.arrived.values()), self._stopped or time.monotonic()]
        gaps = [b - a for a, b in itertools.pairwise(times) if b >= moment]
        return max(gaps, default=float("inf"))

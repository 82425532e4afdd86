# SPDX-License-Identifier: BSD-3-Clause
"""Cables of the lab: each frame is a UDP datagram between two ports on 127.0.0.1."""

from __future__ import annotations

import select
import socket
import time

LOCALHOST = "127.0.0.1"
FRAME_MAX = 65507


def free_port(kind: socket.SocketKind) -> int:
    """Return a port that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Wire:
    """A cable whose one end is a virtual NIC and whose other end the test holds."""

    def __init__(self) -> None:
        self.nic_port = free_port(socket.SOCK_DGRAM)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((LOCALHOST, 0))
        self.port: int = self.socket.getsockname()[1]

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire."""
        self.socket.sendto(frame, (LOCALHOST, self.nic_port))

    def receive(self, seconds: float) -> bytes | None:
        """Return the next frame, or None when none comes in time."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        return self.socket.recv(FRAME_MAX)

    def collect(self, count: int, seconds: float) -> list[bytes]:
        """Return the frames that come, until there are `count` or time is up."""
        end, frames = time.monotonic() + seconds, []
        while len(frames) < count and (left := end - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame is not None:
                frames.append(frame)
        return frames

    def drain(self) -> None:
        """Forget what has come so far."""
        while self.receive(0) is not None:
            pass

    def close(self) -> None:
        """Pull the plug."""
        self.socket.close()

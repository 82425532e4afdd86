# SPDX-License-Identifier: BSD-3-Clause
"""Cables with several queues: a tap in a network namespace of the test's own."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import time

from tests.dataplane.namespaces import Namespace

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
ETH_P_ALL = 3
INTERFACE = "cable"


class Tap:
    """A cable between a NIC of several queues and the test."""

    def __init__(self, role: str, queues: int, mtu: int = 1500) -> None:
        self.namespace = Namespace(role)
        self.queues = [self.namespace.visit(_open_queue) for _ in range(queues)]
        self.namespace.sysctl(f"net.ipv6.conf.{INTERFACE}.disable_ipv6", "1")
        self.namespace.ip("link", "set", INTERFACE, "up", "mtu", str(mtu))
        self.socket = self.namespace.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)
        )
        self.socket.bind((INTERFACE, 0))

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire."""
        self.socket.send(frame)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next frame from the NIC, or None when none comes in time."""
        end = time.monotonic() + seconds
        while select.select([self.socket], [], [], max(0.0, end - time.monotonic()))[0]:
            frame, address = self.socket.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING:
                return frame
        return None

    def close(self) -> None:
        """Pull the plug."""
        self.socket.close()
        for queue in self.queues:
            os.close(queue)
        self.namespace.close()


def _open_queue() -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", INTERFACE.encode(), flags))
    return tap

# SPDX-License-Identifier: BSD-3-Clause
"""Many UDP flows at once: some that go on and on, and ever new ones beside them."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from tests.dataplane.plane import eventually

HEADER = bytes.fromhex("020000000002020000000001") + b"\x08\x00"
SOURCES = int(ip_address("198.18.0.0"))
DESTINATION = ip_address("198.19.0.1").packed
UDP = 17
IPV4 = 0x0800  # EtherType
LASTING = 1000  # numbers of flows below are those of lasting ones
BATCH = 60  # frames sent at once, so that a sleep is worth it
PACE = 10_000.0  # frames per second, at the most
WINDOW = 300  # frames on their way, at the most: so none is lost to a machine that has no time
NEW_FLOWS = 4  # between two frames of lasting ones
QUIET_SECONDS = 0.3  # without a frame, after the last one was sent
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SO_SNDBUFFORCE = 32


def frame(flow: int) -> bytes:
    """A frame of a flow; flows differ in their source."""
    udp = struct.pack("!HHHH", 4000 + flow % 1000, 53, 26, 0) + bytes(18)
    address = (SOURCES + flow // 1000).to_bytes(4, "big")
    start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0)
    total = sum(struct.unpack("!10H", start + address + DESTINATION))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checksum = struct.pack("!H", ~total & 0xFFFF)
    return HEADER + start[:10] + checksum + address + DESTINATION + udp


def number(flow: dict[str, Any]) -> int:
    """The flow's number, of a flow as flow_monitor describes it."""
    return (int(ip_address(flow["source"])) - SOURCES) * 1000 + flow["source_port"] - 4000


class Flows:
    """Sends frames of `lasting` flows in turn, and between them some of new flows.

    lasting  numbers of flows, below LASTING; to be replaced while it runs
    begun    the number of the newest flow
    """

    def __init__(self, source: socket.socket, sink: socket.socket, lasting: set[int]) -> None:
        self.lasting = lasting
        self.begun = LASTING
        self.sent = 0
        self.arrived = 0
        self._source, self._sink = source, sink
        source.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
        self._given_up = 0
        self._ends = threading.Event()
        self._goes = threading.Event()
        self._goes.set()
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._take)]
        for thread in self._threads:
            thread.start()

    def _frames(self) -> Iterator[bytes]:
        while True:
            for flow in sorted(self.lasting) or [self.begun]:
                yield frame(flow)
                for _ in range(NEW_FLOWS):
                    self.begun += 1
                    yield frame(self.begun)

    def _send(self) -> None:
        due, frames = time.monotonic(), self._frames()
        while not self._ends.is_set():
            self._goes.wait()
            while self.sent - self.arrived - self._given_up > WINDOW and not self._ends.is_set():
                time.sleep(0.001)
            for _ in range(BATCH):
                self._source.send(next(frames))
            self.sent += BATCH
            due = max(due + BATCH / PACE, time.monotonic() - 0.01)
            time.sleep(max(0.0, due - time.monotonic()))

    def _take(self) -> None:
        quiet = 0.0
        while quiet < QUIET_SECONDS:
            if select.select([self._sink], [], [], 0.1)[0]:
                self.arrived += len(self._sink.recv(2048)) > 0
                quiet = 0.0
            elif self._ends.is_set():
                quiet += 0.1

    @contextmanager
    def paused(self, lost: int = 0) -> Iterator[None]:
        """Sends nothing meanwhile, and begins when all that was sent has arrived."""
        self._goes.clear()
        try:
            time.sleep(4 * BATCH / PACE)
            eventually(lambda: self.arrived >= self.sent - lost, f"{self.sent} frames arrive")
            yield
        finally:
            self._goes.set()

    def give_up(self) -> int:
        """Waits for what is on its way, gives the rest up and returns how many that are."""
        self._goes.clear()
        time.sleep(QUIET_SECONDS)
        self._given_up = self.sent - self.arrived
        self._goes.set()
        return self._given_up

    def stop(self) -> int:
        """Ends the traffic, waits for what is on its way, and returns how many were lost."""
        self._ends.set()
        self._goes.set()
        for thread in self._threads:
            thread.join()
        return self.sent - self.arrived

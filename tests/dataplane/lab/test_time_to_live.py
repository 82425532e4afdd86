# SPDX-License-Identifier: BSD-3-Clause
"""The time to live of NSH over three nodes, as it is on the wires."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.dataplane.lab.nodes import LabOfNodes
from tests.dataplane.lab.test_links import THROUGH, described, traffic
from tests.dataplane.manager.wire import LOOK_SECONDS
from tests.dataplane.plane import PATIENCE, eventually

NSH = 0x894F
HEADER = 14  # of Ethernet; NSH begins behind it
OAM = 0x20  # of its first byte: what no chain carries


@pytest.fixture
def taps(lab: LabOfNodes) -> Iterator[dict[str, socket.socket]]:
    """Where b and c hear what is sent on to them, and where a speaks."""
    lab.apply(described(THROUGH))
    lab.until_up()
    with ExitStack() as opened:
        yield {
            port: opened.enter_context(closing(lab.namespace.tap(port, NSH)))
            for port in ("ab", "ba", "cb")
        }


def next_packet(tap: socket.socket) -> bytes:
    """The next packet of a chain."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([tap], [], [], LOOK_SECONDS)[0]:
            frame = tap.recv(2048)
            if not frame[HEADER] & OAM:
                return frame
    raise AssertionError("no packet came by")


def time_to_live(frame: bytes) -> int:
    return int.from_bytes(frame[HEADER : HEADER + 2], "big") >> 6 & 63


def with_time_to_live(frame: bytes, ttl: int) -> bytes:
    base = int.from_bytes(frame[HEADER : HEADER + 2], "big") & ~(63 << 6) | ttl << 6
    return frame[:HEADER] + base.to_bytes(2, "big") + frame[HEADER + 2 :]


def expired(lab: LabOfNodes) -> dict[str, int]:
    return {node: losses.get("path_expired", 0) for node, losses in lab.losses().items()}


def test_each_node_takes_one_off_and_where_none_is_left_the_packet_ends(
    lab: LabOfNodes, taps: dict[str, socket.socket]
) -> None:
    with traffic(lab) as flowing:
        seen, further = next_packet(taps["ba"]), next_packet(taps["cb"])
        assert flowing.stop() == 0, lab.losses()
    assert (time_to_live(seen), time_to_live(further)) == (63, 62)

    for ttl, ends_at in ((1, "b"), (2, "c")):
        taps["ab"].send(with_time_to_live(seen, ttl))
        eventually(lambda at=ends_at: expired(lab)[at] == 1, f"{ttl} lasts until {ends_at}")
    handled = lab.handled("c", "far-1")
    taps["ab"].send(with_time_to_live(seen, 0))
    eventually(lambda: lab.handled("c", "far-1") == handled + 1, "0 is as if it began there")
    assert expired(lab) == {"a": 0, "b": 1, "c": 1}

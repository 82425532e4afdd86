# SPDX-License-Identifier: BSD-3-Clause
"""A capture is played into a chain of its own, by a port of kind pcap.

The node has the port from the start, but it can only open once its file is there; the manager goes
on trying, and puts the chain into force when it succeeds.
"""

from __future__ import annotations

from .. import capture
from ..lab import RUN
from ..node import Node, eventually
from ..promise import Story

TITLE = "A capture is replayed"
SECONDS = 15.0


def show(story: Story, node: Node) -> None:
    """Write the capture, wait until it was played."""
    count = capture.write(RUN / "replay.pcap")
    eventually(lambda: _sent(node) >= count, SECONDS)
    story.check("packets of the capture that came out", count, _sent(node))
    flows = [flow for flow in node.flows("recorder") if flow["packets"] == capture.PACKETS_PER_FLOW]
    story.check("its flows, as the monitor saw them", capture.FLOWS, len(flows))


def _sent(node: Node) -> int:
    counters = node.port("replayed")
    return int(counters["tx"]["packets"]) if counters else 0

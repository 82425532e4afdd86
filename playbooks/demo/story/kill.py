# SPDX-License-Identifier: BSD-3-Clause
"""An NF's container is killed with SIGKILL under traffic."""

from __future__ import annotations

import os
import signal
import time

from .. import traffic
from ..node import Node, eventually
from ..promise import Story

TITLE = "The container of the flow monitor is killed (SIGKILL) under traffic"
NF = "monitor-1"
PROBE_SECONDS = 5.0
PROBE_RATE = 500
RESTORED_SECONDS = 1.0
DRAIN_SECONDS = 10.0


def show(story: Story, node: Node) -> None:
    """Kill it in the middle of a numbered stream; measure the gap and what is left over."""
    before = node.buffers_out()
    victim = int(node.instance(NF)["pid"])
    with traffic.probe(PROBE_SECONDS, PROBE_RATE) as stream:
        time.sleep(PROBE_SECONDS / 3)
        os.kill(victim, signal.SIGKILL)
    gap = stream["longest_gap"]
    in_time = gap < RESTORED_SECONDS
    story.check("traffic restored after", f"< {RESTORED_SECONDS} s", f"{gap:.3f} s", in_time)
    story.say(f"    {stream['received']} of {stream['sent']} datagrams arrived")
    after = node.instance(NF)
    story.check("the NF runs again", "running", after["state"])
    story.check("in a new process", "yes", "yes" if after["pid"] != victim else "no")
    eventually(lambda: node.buffers_out() == before, DRAIN_SECONDS)
    story.check("packet buffers that are not free, as before", before, node.buffers_out())

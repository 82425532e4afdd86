# SPDX-License-Identifier: BSD-3-Clause
"""A live table of packets per hop, while iperf3 sends TCP and UDP."""

from __future__ import annotations

import subprocess
import time

from rich.live import Live
from rich.table import Table

from .. import traffic
from ..node import Node
from ..promise import Story

TITLE = "Packets per hop, live"
SECONDS = 4
UDP_BITS = 20_000_000  # per second
REFRESH_SECONDS = 0.25
UDP_LOSS_PERCENT = 1.0  # of a sender that takes the same two cores


def show(story: Story, node: Node) -> None:
    """Run both, watch the counters."""
    before = node.handled("web")
    tcp = _watch(story, node, traffic.iperf("--time", str(SECONDS)))
    udp_options = ("--udp", "--bitrate", str(UDP_BITS), "--length", "1200", "--time", str(SECONDS))
    udp = _watch(story, node, traffic.iperf(*udp_options))
    mbit = tcp["end"]["sum_received"]["bits_per_second"] / 1e6
    story.check("TCP throughput", "> 10 Mbit/s", f"{mbit:.0f} Mbit/s", mbit > 10)
    lost = udp["end"]["sum"]["lost_percent"]
    expected = f"at most {UDP_LOSS_PERCENT} %"
    story.check("UDP loss at 20 Mbit/s", expected, f"{lost:.2f} %", lost <= UDP_LOSS_PERCENT)
    idle = [name for (_, name, now), (*_, then) in zip(node.handled("web"), before, strict=True) if now <= then]
    story.check("hops that counted nothing", "none", ", ".join(idle) or "none")


def _watch(story: Story, node: Node, process: subprocess.Popen[str]) -> dict:
    """Show the table until the program ends; returns the JSON that it printed."""
    last, then = node.handled("web"), time.monotonic()
    with Live(console=story.console, auto_refresh=False) as live:
        while process.poll() is None:
            time.sleep(REFRESH_SECONDS)
            handled, now = node.handled("web"), time.monotonic()
            live.update(_table(handled, last, now - then), refresh=True)
            last, then = handled, now
    return traffic.result_of(process)


def _table(now: list[tuple[str, str, int]], then: list[tuple[str, str, int]], seconds: float) -> Table:
    table = Table("direction", "hop", "packets", "packets/s")
    for (direction, service, packets), (*_, before) in zip(now, then, strict=True):
        rate = (packets - before) / seconds
        table.add_row(direction, service, f"{packets}", f"{rate:.0f}")
    return table

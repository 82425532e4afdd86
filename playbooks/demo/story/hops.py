# SPDX-License-Identifier: BSD-3-Clause
"""A live table of packets per hop, while iperf3 sends TCP and UDP."""

from __future__ import annotations

import subprocess
import time
from typing import Any

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

Counts = list[tuple[str, str, int]]  # direction, service, packets


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
    silent = [hop for hop, packets in _growth(before, node.handled("web")) if packets == 0]
    story.check("hops that counted nothing", "none", ", ".join(silent) or "none")


def _growth(then: Counts, now: Counts) -> list[tuple[str, int]]:
    """Packets of each hop between two moments."""
    pairs = zip(then, now, strict=True)
    return [(f"{way} {hop}", after - before) for (way, hop, before), (*_, after) in pairs]


def _watch(story: Story, node: Node, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Show the table until the program ends; returns the JSON that it printed."""
    last, then = node.handled("web"), time.monotonic()
    with Live(console=story.console, auto_refresh=False) as live:
        while process.poll() is None:
            time.sleep(REFRESH_SECONDS)
            handled, now = node.handled("web"), time.monotonic()
            live.update(_table(last, handled, now - then), refresh=True)
            last, then = handled, now
    if not story.console.is_terminal:
        story.say("")  # there, the table ends without its line break
    return traffic.result_of(process)


def _table(then: Counts, now: Counts, seconds: float) -> Table:
    table = Table("hop", "packets", "packets/s")
    for (*_, total), (hop, packets) in zip(now, _growth(then, now), strict=True):
        table.add_row(hop, f"{total}", f"{packets / seconds:.0f}")
    return table

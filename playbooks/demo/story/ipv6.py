# SPDX-License-Identifier: BSD-3-Clause
"""IPv6 takes the same chain; the NAT leaves it as it is."""

from __future__ import annotations

from .. import traffic
from ..lab import CLIENT, SERVER
from ..node import Node
from ..promise import Story
from ..servers import GREETING, seen_clients

TITLE = "IPv6 works as well"
PINGS = 3


def show(story: Story, _: Node) -> None:
    """Ping, and fetch a page; the NAT translates IPv4 only."""
    story.check("pings answered over IPv6", PINGS, traffic.ping(SERVER.address6, PINGS))
    page = traffic.fetch(f"http://[{SERVER.address6}]/")
    story.check("web page over IPv6", GREETING.strip(), str(page).strip())
    story.check("address in the server's access log", CLIENT.address6, seen_clients()[-1])

# SPDX-License-Identifier: BSD-3-Clause
"""The server sees the NAT's address and never the client's."""

from __future__ import annotations

from ..lab import CLIENT, PUBLIC
from ..node import Node
from ..promise import Story
from ..servers import seen_clients

TITLE = "The server sees translated addresses"


def show(story: Story, node: Node) -> None:
    """Compare the server's access log with the NAT's own table."""
    seen = ", ".join(sorted(set(seen_clients())))
    story.check("addresses in the server's access log", PUBLIC, seen)
    inside = {t["inside"] for t in node.ask("nat-1", "translations")["translations"]}
    story.check("inside addresses in the NAT's table", CLIENT.address4, ", ".join(sorted(inside)))

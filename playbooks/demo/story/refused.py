# SPDX-License-Identifier: BSD-3-Clause
"""What the firewall forbids does not get through, and is counted by the rule that forbids it."""

from __future__ import annotations

from .. import traffic
from ..lab import FORBIDDEN, SERVER
from ..node import Node
from ..promise import Story

TITLE = "The firewall refuses what it must"


def show(story: Story, node: Node) -> None:
    """Try a port on which the server listens and which a rule drops."""
    before = _dropped(node)
    page = traffic.fetch(f"http://{SERVER.address4}:{FORBIDDEN}/")
    story.check(f"answer from port {FORBIDDEN}", "none", "none" if page is None else page)
    dropped = _dropped(node) - before
    story.check("packets counted by that rule", "> 0", dropped, dropped > 0)


def _dropped(node: Node) -> int:
    rules = node.ask("firewall-1", "rules")["rules"]
    return sum(r["packets"] for r in rules if r["rule"].get("destination_ports") == FORBIDDEN)

# SPDX-License-Identifier: BSD-3-Clause
"""The flow monitor knows what passed."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from ..lab import CLIENT, SERVER, WEB
from ..node import Node
from ..promise import Story

TITLE = "The flow monitor has seen it all"
SHOWN = 8


def show(story: Story, node: Node) -> None:
    """Show the largest flows; look for the web traffic of both IP versions among them."""
    flows = node.flows("monitor")
    story.say(_table(flows[:SHOWN]))
    for version, client, server in (
        ("IPv4", CLIENT.address4, SERVER.address4),
        ("IPv6", CLIENT.address6, SERVER.address6),
    ):
        found = [flow for flow in flows if _is_web(flow, client, server)]
        both = [flow for flow in found if flow["packets"] > flow["packets_back"] > 0]
        story.check(f"{version} web flows with packets both ways", "> 0", len(both), bool(both))


def _is_web(flow: dict[str, Any], client: str, server: str) -> bool:
    ends = (flow["source"], flow["destination"], flow["destination_port"])
    return ends == (client, server, WEB)


def _table(flows: list[dict[str, Any]]) -> Table:
    table = Table("source", "destination", "protocol", "packets", "bytes")
    for flow in flows:
        table.add_row(
            f"{flow['source']} {flow['source_port']}",
            f"{flow['destination']} {flow['destination_port']}",
            str(flow["protocol"]),
            str(flow["packets"]),
            str(flow["bytes"]),
        )
    return table

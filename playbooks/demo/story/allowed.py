# SPDX-License-Identifier: BSD-3-Clause
"""What the firewall allows gets through: ping, web pages, a large download."""

from __future__ import annotations

from .. import traffic
from ..lab import SERVER
from ..node import Node
from ..promise import Story
from ..servers import DOWNLOAD_BYTES, GREETING

TITLE = "The client reaches the server through firewall → monitor → nat"
PINGS = 3


def show(story: Story, _: Node) -> None:
    """Ping, fetch a page, fetch a large file."""
    story.check("pings answered", PINGS, traffic.ping(SERVER.address4, PINGS))
    page = traffic.fetch(f"http://{SERVER.address4}/")
    story.check("web page by curl", GREETING.strip(), str(page).strip())
    download = traffic.fetch(f"http://{SERVER.address4}/download") or ""
    story.check("download, bytes", DOWNLOAD_BYTES, len(download))

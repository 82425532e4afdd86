# SPDX-License-Identifier: BSD-3-Clause
"""The chain is changed while requests pass: an NF more, a replica more, and back."""

from __future__ import annotations

import time
from typing import Any

import yaml

from .. import traffic
from ..lab import CHAINS, SERVER
from ..node import Node
from ..promise import Story

TITLE = "The chain is changed live"
PAUSE_SECONDS = 1.0


def show(story: Story, node: Node) -> None:
    """Apply a longer chain, then the first one again, under requests."""
    with traffic.requests(SERVER.address4) as result:
        time.sleep(PAUSE_SECONDS)
        applied = node.apply(_longer())
        path = node.path("web")
        time.sleep(PAUSE_SECONDS)
        extra = sum(packets for _, hop, packets in node.handled("web") if hop == "extra")
        node.apply(CHAINS.read_text())
        time.sleep(PAUSE_SECONDS)
    story.check("the longer chain", "firewall → monitor → extra → nat", " → ".join(path))
    story.say(f"    in force after {applied['seconds']:.2f} s")
    story.check("packets that the new hop handled", "> 0", extra, extra > 0)
    story.check("requests made meanwhile", "> 50", result["requests"], result["requests"] > 50)
    story.check("requests that failed", "none", "; ".join(result["failures"]) or "none")


def _longer() -> str:
    spec: dict[str, Any] = yaml.safe_load(CHAINS.read_text())
    spec["services"]["extra"] = {"nf": "forward"}
    spec["services"]["firewall"]["replicas"] = 2
    spec["chains"][0]["path"].insert(2, "extra")
    return str(yaml.safe_dump(spec))

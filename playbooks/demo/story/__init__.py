# SPDX-License-Identifier: BSD-3-Clause
"""The story, step by step. Each module is one step: `TITLE`, and `show(story, node)`."""

from __future__ import annotations

from types import ModuleType

from rich.console import Console

from ..node import Node
from ..promise import Story
from . import (
    allowed,
    change,
    flows,
    hops,
    idle,
    ipv6,
    kill,
    refused,
    replay,
    translated,
)

STEPS = (allowed, refused, translated, ipv6, flows, hops, replay, kill, change, idle)


def tell() -> int:
    """Tell all of it; returns the exit code."""
    story, node = Story(Console()), Node()
    for step in STEPS:
        _take(step, story, node)
    story.say("")
    story.say(story.summary())
    kept, promised = len(story.promises) - len(story.broken), len(story.promises)
    story.say(f"[bold]{kept} of {promised} promises were kept.[/bold]")
    return 1 if story.broken else 0


def _take(step: ModuleType, story: Story, node: Node) -> None:
    """Take one step; one that breaks off is a broken promise, and the story goes on."""
    story.begin(step.TITLE)
    try:
        step.show(story, node)
    except Exception as error:
        story.check(step.TITLE, "shown to its end", f"{type(error).__name__}: {error}", kept=False)

# SPDX-License-Identifier: BSD-3-Clause
"""Looks at an answer of the API again and again, until Ctrl-C."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from onvm_runtime.cli.failure import Unreachable
from onvm_runtime.cli.reply import Draw, Reply
from onvm_runtime.cli.session import Session

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")]
Interval = Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")]


def watch(session: Session, path: str, draw: Draw, interval: float) -> None:
    """Shows what is at `path` every `interval` seconds; with --json one line for each look."""
    try:
        _watch(session, path, draw, interval)
    except KeyboardInterrupt:
        return


def _watch(session: Session, path: str, draw: Draw, interval: float) -> None:
    looks = _looks(session, path, interval)
    if session.as_json:
        for look in filter(None, looks):
            print(json.dumps(look.to_json()), flush=True)
        return
    before = None
    with _pages(session.console) as turn_to:
        for now in looks:
            away = Text("no manager answers; trying again")
            turn_to(now.page(draw, before, None) if now else away)
            before = now or before


@contextmanager
def _pages(console: Console) -> Iterator[Callable[[RenderableType], None]]:
    """Shows one page in place of the other on a terminal, one below the other in a pipe."""
    if not console.is_terminal:
        yield console.print
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda page: live.update(page, refresh=True)


def _looks(session: Session, path: str, interval: float) -> Iterator[Reply | None]:
    """One look after the other; None when the manager did not answer, but did at first."""
    yield session.ask(lambda of: of.get(path))
    while True:
        time.sleep(interval)
        try:
            yield session.ask(lambda of: of.get(path))
        except Unreachable:
            yield None

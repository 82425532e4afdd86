# SPDX-License-Identifier: BSD-3-Clause
"""One run of a command: where the manager is, and how answers are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.failure import CommandError

SOCKET = "/run/onvm/manager.sock"
WIDE = 160  # columns where nobody watches, so that scripts see whole lines

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


@dataclass
class Session:
    """What all commands share."""

    socket: str = SOCKET
    as_json: bool = False

    @cached_property
    def manager(self) -> Manager:
        """The manager's API."""
        return Manager(self.socket)

    @cached_property
    def console(self) -> Console:
        """Standard output; rich leaves out colours for NO_COLOR and for pipes."""
        return _console(stderr=False)

    def show(self, value: Any, draw: Callable[[Any], RenderableType]) -> None:
        """Prints an answer: as JSON when asked, else drawn for people."""
        if self.as_json:
            print(json.dumps(value, indent=2), flush=True)
        else:
            self.console.print(draw(value))

    def report(self, failure: CommandError) -> None:
        """Prints a failure: sentences on standard error, and JSON on standard output when asked."""
        if self.as_json:
            print(json.dumps(failure.to_json(), indent=2), flush=True)
        for line in failure.lines():
            _console(stderr=True).print(line, soft_wrap=True)


def begin(ctx: typer.Context, as_json: bool) -> Session:
    """The session of a command that has just been called."""
    session: Session = ctx.find_object(Session) or Session()
    session.as_json = as_json
    return session


def _console(stderr: bool) -> Console:
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, highlight=False, width=None if watched else WIDE)

# SPDX-License-Identifier: BSD-3-Clause
"""One run of a command: which managers are asked, and how answers are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType

from onvm_runtime.cli import remote
from onvm_runtime.cli.client import ANSWER_SECONDS, Manager
from onvm_runtime.cli.failure import CommandError, ExitCode
from onvm_runtime.cli.remote.parallel import Ask
from onvm_runtime.cli.remote.transport import StreamTransport
from onvm_runtime.cli.reply import Across, Many, One, Reply

SOCKET = "/run/onvm/manager.sock"
WITHIN = 10.0
WIDE = 160  # columns where nobody watches, so that scripts see whole lines

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


@dataclass
class Session:
    """What all commands share.

    socket     of the manager of this node, or of every node of the inventory; None: SOCKET, or
               what the inventory says
    inventory  Ansible's, to ask all of its nodes, of them those that `limit` matches
    within     seconds in which nodes of an inventory have to answer
    """

    socket: str | None = None
    inventory: str | None = None
    limit: str | None = None
    within: float = WITHIN
    as_json: bool = False

    @cached_property
    def manager(self) -> Manager:
        """The API of this host's manager, for commands that are about this host."""
        if self.inventory is not None:
            raise CommandError(
                "this command is about the host that it runs on", remedy="Leave out --inventory."
            )
        return Manager(self.socket or SOCKET)

    @cached_property
    def _lab(self) -> dict[str, Manager]:
        return self._managers(self.within)

    def _managers(self, seconds: float) -> dict[str, Manager]:
        assert self.inventory is not None
        nodes = remote.read(self.inventory, self.limit)
        return {node.name: _reach(node, self.socket, seconds) for node in nodes}

    def ask(self, ask: Ask) -> Reply:
        """Asks the manager, or all nodes of the inventory at once."""
        if self.inventory is None:
            return One(ask(self.manager))
        return Many(remote.ask_all(self._lab, ask, self.within))

    def answer(
        self, ask: Ask, draw: Callable[[Any], RenderableType], across: Across | None = None
    ) -> Reply:
        """Asks and shows the answer; raises typer.Exit where a node did not answer."""
        reply = self.ask(ask)
        self.show(reply.to_json(), lambda _: reply.page(lambda now, _: draw(now), None, across))
        if reply.code is not ExitCode.OK:
            raise typer.Exit(reply.code)
        return reply

    def tell(self, ask: Ask) -> None:
        """Has everybody do something that loses nothing; raises typer.Exit where one did not."""
        reply = self.ask(ask)
        if reply.code is not ExitCode.OK:
            self.show(reply.to_json(), lambda _: reply.page(lambda *_: Group(), None, None))
            raise typer.Exit(reply.code)

    def change(self, ask: Ask, draw: Callable[[Any], RenderableType]) -> None:
        """Has one manager change something, and shows the answer."""
        if self.inventory is None:
            manager = self.manager
        else:
            managers = self._managers(ANSWER_SECONDS)
            if len(managers) > 1:
                raise CommandError(
                    f"this changes a node, and {len(managers)} are meant: {', '.join(managers)}",
                    remedy="Name one by --limit. Chains of a lab are changed on all nodes or none "
                    "by playbooks/chains.yml.",
                )
            (manager,) = managers.values()
        self.show(ask(manager), draw)

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


def _reach(node: remote.LabNode, socket: str | None, seconds: float) -> Manager:
    """The manager of a node, wherever that is."""
    path = socket or node.socket or SOCKET
    if node.ssh is None:
        return Manager(path, seconds=seconds)
    try:
        # Here and not above: nodes do not have what it needs.
        from onvm_runtime.cli.remote.ssh import SshHost
    except ImportError:
        raise CommandError(
            "nodes are reached by paramiko, which is not installed beside onvm",
            remedy=remote.REQUIREMENTS,
        ) from None
    host = SshHost(node.ssh)
    transport = StreamTransport(lambda limit: host.open_socket(path, limit), host.close)
    return Manager(path, transport, seconds)


def begin(ctx: typer.Context, as_json: bool) -> Session:
    """The session of a command that has just been called."""
    session: Session = ctx.find_object(Session) or Session()
    session.as_json = as_json
    return session


def _console(stderr: bool) -> Console:
    watched = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, highlight=False, width=None if watched else WIDE)

# SPDX-License-Identifier: BSD-3-Clause
"""The `onvm` command: its groups, the options of all, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from onvm_runtime.cli import (
    bench,
    chain,
    doctor_command,
    flows,
    latency,
    link,
    nf,
    port,
    service,
    stats,
    status,
    trace,
    version,
)
from onvm_runtime.cli.failure import CommandError, ExitCode
from onvm_runtime.cli.session import SOCKET, WITHIN, Session

app = typer.Typer(
    name="onvm",
    help="Looks at and drives the NF manager of this node, or those of a lab.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(nf.app, name="nf", help="Network functions.")
app.add_typer(service.app, name="service", help="Services.")
app.add_typer(chain.app, name="chain", help="Service chains.")
app.add_typer(port.app, name="port", help="Ports.")
app.add_typer(link.app, name="link", help="Links to other nodes.")
app.command("status")(status.status)
app.command("stats")(stats.stats)
app.command("latency")(latency.latency)
app.command("trace")(trace.trace)
app.command("flows")(flows.flows)
app.command("doctor")(doctor_command.doctor)
app.command("bench", context_settings=bench.PASS_ON)(bench.bench)
app.command("version")(version.version)


@app.callback()
def options(
    ctx: typer.Context,
    socket: Annotated[
        str | None,
        typer.Option(envvar="ONVM_MANAGER", help=f"The manager's socket.  [default: {SOCKET}]"),
    ] = None,
    inventory: Annotated[
        str | None,
        typer.Option(
            "--inventory", "-i", envvar="ONVM_INVENTORY", help="Ask all nodes of this inventory."
        ),
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", "-l", help="Of those, the ones that match.")
    ] = None,
    within: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds that each has to answer.")
    ] = WITHIN,
) -> None:
    """Options that stand before the command."""
    session = ctx.find_object(Session)
    if session:
        session.socket, session.inventory = socket, inventory
        session.limit, session.within = limit, within


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    session = Session()
    try:
        app(args=list(arguments), prog_name="onvm", obj=session)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.FAILED
    except CommandError as failure:
        session.report(failure)
        return failure.code
    return ExitCode.OK


def main() -> None:
    """Entry point of the `onvm` program."""
    sys.exit(run(sys.argv[1:]))

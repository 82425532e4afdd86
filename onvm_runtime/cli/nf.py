# SPDX-License-Identifier: BSD-3-Clause
"""`onvm nf`: running NFs, one by one and by service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table

app = typer.Typer(no_args_is_help=True)

Instance = Annotated[str, typer.Argument(help="Name of an NF, such as firewall-1.")]


@app.command()
def ls(
    ctx: typer.Context,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="List what can be run, not what runs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the NFs of this node."""
    session = begin(ctx, as_json)
    answer = session.manager.get("/v1/catalogue" if catalogue else "/v1/nfs")
    session.show(answer, _catalogue if catalogue else _running)


@app.command()
def start(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Starts an NF that was stopped."""
    session = begin(ctx, as_json)
    session.show(session.manager.post(f"/v1/nfs/{instance}/start"), _done(f"{instance} starts"))


@app.command()
def stop(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Stops an NF until it is started again; its flows go to the other replicas."""
    session = begin(ctx, as_json)
    session.show(session.manager.post(f"/v1/nfs/{instance}/stop"), _done(f"{instance} stops"))


@app.command()
def scale(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="Name of a service.")],
    replicas: Annotated[int, typer.Argument(min=1, help="How many NFs it shall have.")],
    as_json: AsJson = False,
) -> None:
    """Sets how many NFs a service has."""
    session = begin(ctx, as_json)
    answer = session.manager.post(f"/v1/services/{service}/scale", {"replicas": replicas})
    session.show(answer, _done(f"{service} has {replicas} replicas"))


@app.command()
def logs(
    ctx: typer.Context,
    instance: Instance,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many, the last.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Shows what an NF printed."""
    session = begin(ctx, as_json)
    answer = session.manager.get(f"/v1/nfs/{instance}/logs", lines=lines)
    session.show(answer, lambda said: Text("\n".join(said["lines"])))


@app.command()
def query(
    ctx: typer.Context,
    instance: Instance,
    request: Annotated[str, typer.Argument(help="JSON in the NF's own form: see its page.")],
    as_json: AsJson = False,
) -> None:
    """Asks an NF something, in its own form."""
    session = begin(ctx, as_json)
    answer = session.manager.post(f"/v1/nfs/{instance}/query", _json(request))
    session.show(answer, lambda reply: Text(json.dumps(reply, indent=2)))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="REQUEST") from None


def _done(sentence: str) -> Any:
    return lambda _: sentence


def _running(answer: Any) -> RenderableType:
    return table(
        ("NF", "SERVICE", "RUNS", "STATE", "#PID", "#RESTARTS", "REASON"),
        [_nf(nf) for nf in answer["nfs"]],
    )


def _nf(nf: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        nf["name"],
        nf["service"],
        nf["nf"],
        nf["state"],
        nf["pid"],
        nf["restarts"],
        nf["reason"],
    )


def _catalogue(answer: Any) -> RenderableType:
    return table(("NF", "WHAT IT DOES"), [(e["name"], e["summary"]) for e in answer["nfs"]])

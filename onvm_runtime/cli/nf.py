# SPDX-License-Identifier: BSD-3-Clause
"""`onvm nf`: running NFs, one by one and by service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from onvm_runtime.chains.spec import CPU_WEIGHT
from onvm_runtime.cli.chain import applied
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import duration, table
from onvm_runtime.manager.placement import cpu_list

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
    if catalogue:
        session.answer(lambda of: of.get("/v1/catalogue"), _catalogue)
    else:
        session.answer(lambda of: of.get("/v1/nfs"), lambda answer: draw(answer["nfs"]))


@app.command()
def start(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Starts an NF that was stopped, or that waits to be tried again."""
    _do(ctx, instance, "start", as_json)


@app.command()
def stop(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Stops an NF until it is started again; its flows go to the other replicas."""
    _do(ctx, instance, "stop", as_json)


@app.command()
def drain(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Gives an NF no new flows, and stops it when it has none left or its time is up."""
    _do(ctx, instance, "drain", as_json)


@app.command()
def restart(ctx: typer.Context, instance: Instance, as_json: AsJson = False) -> None:
    """Ends an NF and starts it anew."""
    _do(ctx, instance, "restart", as_json)


def _do(ctx: typer.Context, instance: str, what: str, as_json: bool) -> None:
    session = begin(ctx, as_json)
    session.change(lambda of: of.post(f"/v1/nfs/{instance}/{what}"), lambda nf: draw([nf]))


@app.command()
def scale(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="Name of a service.")],
    replicas: Annotated[int, typer.Argument(min=1, max=256, help="How many NFs it shall have.")],
    as_json: AsJson = False,
) -> None:
    """Sets how many NFs a service has."""
    session = begin(ctx, as_json)
    wanted = {"replicas": replicas}
    session.change(lambda of: of.post(f"/v1/services/{service}/scale", wanted), applied)


@app.command()
def logs(
    ctx: typer.Context,
    instance: Instance,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=10000, help="How many, the last.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Shows what an NF printed."""
    session = begin(ctx, as_json)
    session.answer(
        lambda of: of.get(f"/v1/nfs/{instance}/logs", lines=lines),
        lambda said: Text("\n".join(said["lines"])),
    )


@app.command()
def query(
    ctx: typer.Context,
    instance: Instance,
    request: Annotated[str, typer.Argument(help="A JSON object in the NF's own form.")],
    as_json: AsJson = False,
) -> None:
    """Asks an NF something; its README says what it can be asked."""
    session = begin(ctx, as_json)
    wanted = _object(request)
    session.change(
        lambda of: of.post(f"/v1/nfs/{instance}/query", wanted),
        lambda reply: Text(json.dumps(reply, indent=2)),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="REQUEST") from None
    if not isinstance(value, dict):
        raise typer.BadParameter('must be an object, such as {"query": "x"}', param_hint="REQUEST")
    return value


def _catalogue(answer: Any) -> RenderableType:
    return table(("NF", "WHAT IT DOES"), [(nf["name"], nf["summary"]) for nf in answer["nfs"]])


def draw(nfs: Any) -> RenderableType:
    """The table of NFs."""
    return table(
        ("NF", "SERVICE", "RUNS", "STATE", "#FOR", "#PID", "CPU", "#RESTARTS", "WITH", "REASON"),
        map(_row, nfs),
    )


def _state(nf: Mapping[str, Any]) -> str:
    if not nf["draining"]:
        return str(nf["state"])
    left = "?" if nf["flows"] is None else nf["flows"]
    return f"draining, {left} flows left"


def _row(nf: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        nf["name"],
        nf["service"],
        nf["nf"],
        _state(nf),
        duration(nf["seconds"]),
        str(nf["pid"] or ""),
        _cpus(nf),
        nf["restarts"],
        nf["group"] or "",
        nf["reason"] or nf["last_end"],
    )


def _cpus(nf: Mapping[str, Any]) -> str:
    """Its CPUs, and what is unusual about them."""
    notes = ["other socket"] if nf["remote"] else []
    if nf["cpu_weight"] != CPU_WEIGHT:
        notes.append(f"weight {nf['cpu_weight']}")
    return ", ".join([cpu_list(nf["cpus"]), *notes])

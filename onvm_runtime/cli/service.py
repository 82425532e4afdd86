# SPDX-License-Identifier: BSD-3-Clause
"""`onvm service`: what the NFs of one kind offer together, and how their number changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from rich.console import RenderableType

from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import duration, table

app = typer.Typer(no_args_is_help=True)

_UNITS = {"queue": "packets wait", "cpu": "% of a core"}


@app.command()
def ls(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists the services of this node."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/services"), lambda answer: _services(answer["services"]))


@app.command()
def scalings(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists the latest changes that autoscaling made."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/services"), lambda answer: _scalings(answer["services"]))


def _services(services: Any) -> RenderableType:
    titles = ("SERVICE", "RUNS", "FLOWS", "#REPLICAS", "DRAINING", "POLICY", "MEASURE")
    return table(titles, map(_row, services))


def _row(service: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        service["name"],
        service["nf"],
        "stay" if service["stateful"] else "move",
        service["replicas"],
        ", ".join(service["draining"]),
        _policy(service["autoscale"]),
        _measure(service),
    )


def _policy(policy: Mapping[str, Any] | None) -> str:
    if policy is None:
        return ""
    return f"{policy['min']} to {policy['max']} by {policy['metric']}"


def _measure(service: Mapping[str, Any]) -> str:
    if service["measure"] is None:
        return ""
    return f"{service['measure']:.0f} {_UNITS[service['autoscale']['metric']]}"


def _scalings(services: Any) -> RenderableType:
    return table(("SERVICE", "#AGO", "#FROM", "#TO", "#MEASURE"), _events(services))


def _events(services: Any) -> Iterator[tuple[object, ...]]:
    for service in services:
        for event in service["scalings"]:
            ago = duration(max(0.0, time.time() - event["time"]))
            measure = f"{event['measure']:.0f}"
            yield service["name"], ago, event["before"], event["after"], measure

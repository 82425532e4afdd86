# SPDX-License-Identifier: BSD-3-Clause
"""`onvm port`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import RenderableType

from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def port() -> None:
    """Ports; they are configured in node.yml."""


@app.command()
def ls(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists ports, and why one is not open."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/ports"), lambda answer: draw(answer["ports"]))


def draw(ports: Any) -> RenderableType:
    """The table of ports."""
    return table(
        ("PORT", "KIND", "LINK", "MAC", "#MTU", "ERROR"),
        [(p["name"], p["kind"], _link(p), p["mac"], str(p["mtu"]), p["error"]) for p in ports],
    )


def _link(port: Mapping[str, Any]) -> str:
    if not port["open"]:
        return "not open"
    return "up" if port["up"] else "down"

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm link`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import RenderableType

from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def link() -> None:
    """Links to other nodes; the chains name them."""


@app.command()
def ls(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists links, whether they are up, and how far away the other end is."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/links"), lambda answer: draw(answer["links"]))


def draw(links: Any) -> RenderableType:
    """The table of links."""
    return table(
        ("LINK", "NODE", "PORT", "STATE", "MAC", "#ROUND TRIP", "#CUT OFF"),
        [_row(link) for link in links],
    )


def _row(link: Mapping[str, Any]) -> tuple[object, ...]:
    away = link["round_trip"]
    return (
        link["name"],
        link["peer"],
        link["port"],
        "up" if link["up"] else "down",
        link["mac"],
        "" if away is None else f"{away * 1e6:.0f} us",
        link["cut_off"],
    )

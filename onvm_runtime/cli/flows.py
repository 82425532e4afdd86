# SPDX-License-Identifier: BSD-3-Clause
"""`onvm flows`: the flows that instances of flow_monitor have seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.chains.values import PROTOCOLS
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import duration, table

_NAMES = {number: name for name, number in PROTOCOLS.items()}


def flows(
    ctx: typer.Context,
    service: Annotated[
        str | None, typer.Option(help="Only what instances of this service saw.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the flows with the most bytes, as flow_monitor NFs have counted them."""
    session = begin(ctx, as_json)
    session.answer(
        lambda of: of.get("/v1/flows", service=service, top=top), lambda seen: Group(*_draw(seen))
    )


def _draw(seen: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield table(
        ("NF", "SOURCE", "DESTINATION", "PROTOCOL", "#PACKETS", "#BYTES", "#OF THEM BACK", "#AGE",
         "#IDLE"),
        map(_row, seen["flows"]),
    )  # fmt: skip
    for instance, why in seen["unanswered"].items():
        yield Text(f"{instance} was not asked: {why}", "yellow")


def _row(flow: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        flow["instance"],
        _end(flow["source"], flow["source_port"]),
        _end(flow["destination"], flow["destination_port"]),
        _NAMES.get(flow["protocol"], str(flow["protocol"])),
        flow["packets"],
        flow["bytes"],
        flow["bytes_back"],
        duration(flow["age"]),
        duration(flow["idle"]),
    )


def _end(address: str, port: int) -> str:
    """An address with its port, as RFC 5952 section 6 writes it."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

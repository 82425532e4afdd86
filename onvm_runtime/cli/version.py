# SPDX-License-Identifier: BSD-3-Clause
"""`onvm version`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

import typer
from rich.console import RenderableType

from onvm_runtime.cli.failure import Unreachable
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table


def version(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows the versions of this program and, where it runs, of the manager and data plane."""
    session = begin(ctx, as_json)
    try:
        running = session.manager.get("/v1/version")
    except Unreachable:
        running = None
    session.show({"onvm": metadata.version("onvm-runtime"), "manager": running}, _draw)


def _draw(versions: Mapping[str, Any]) -> RenderableType:
    running = versions["manager"] or {"manager": "not running"}
    return table(("PART", "VERSION"), [("onvm", versions["onvm"]), *running.items()])

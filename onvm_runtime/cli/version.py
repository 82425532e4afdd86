# SPDX-License-Identifier: BSD-3-Clause
"""`onvm version`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import RenderableType

from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.failure import Unreachable
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table
from onvm_runtime.manager.version import VERSION


def version(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows the versions of this program and of the manager, where one runs."""
    begin(ctx, as_json).answer(_ask, _draw)


def _ask(manager: Manager) -> Any:
    try:
        running = manager.get("/v1/version")
    except Unreachable:
        running = None
    return {"onvm": VERSION, "manager": running}


def _draw(versions: Mapping[str, Any]) -> RenderableType:
    running = versions["manager"]
    return table(
        ("PART", "VERSION"),
        [
            ("onvm", versions["onvm"]),
            ("manager", running["version"] if running else "does not run"),
            ("protocol of the data plane", running["abi"] if running else None),
        ],
    )

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm stats`."""

from __future__ import annotations

import typer

from onvm_runtime.cli.session import AsJson, begin


def stats(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows how the node is."""
    session = begin(ctx, as_json)
    session.show(session.manager.get("/v1/stats"), str)

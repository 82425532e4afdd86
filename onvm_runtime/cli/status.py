# SPDX-License-Identifier: BSD-3-Clause
"""`onvm status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli import chain, nf, port
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import duration


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows the node at a glance: data plane, ports, NFs, chains, and what is wrong."""
    session = begin(ctx, as_json)
    session.show(session.manager.get("/v1/status"), _draw)


def _draw(node: Mapping[str, Any]) -> RenderableType:
    return Group(
        Text(f"node {node['node']}, manager {node['version']}, NFs run as {node['runtime']}"),
        _dataplane(node["dataplane"]),
        port.draw(node["ports"]),
        nf.draw(node["nfs"]),
        chain.draw(node["chains"]),
        _problems(node["problems"]),
    )


def _dataplane(plane: Mapping[str, Any]) -> Text:
    if plane["state"] != "running":
        return Text(f"data plane {plane['state']}: {plane['reason'] or 'no reason known'}", "red")
    memory = "hugepages" if plane["hugepages"] else "ordinary pages"
    return Text(
        f"data plane {plane['version']} ({plane['dpdk']}), process {plane['pid']}, "
        f"running for {duration(plane['seconds'])}, restarted {plane['restarts']} times\n"
        f"{plane['buffers_free']:,} of {plane['buffers']:,} buffers free, on {memory}"
    )


def _problems(problems: list[str]) -> Text:
    if not problems:
        return Text("all is well", "green")
    return Text("\n".join(problems), "red")

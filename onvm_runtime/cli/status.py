# SPDX-License-Identifier: BSD-3-Clause
"""`onvm status`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli import chain, nf, port
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import duration, table


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Shows the node, or each of a lab, at a glance, and what is wrong."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/status"), _draw, _lab)


def _draw(node: Mapping[str, Any]) -> RenderableType:
    return Group(
        Text(f"node {node['node']}, manager {node['version']}, NFs run as {node['runtime']}"),
        _dataplane(node["dataplane"]),
        port.draw(node["ports"]),
        nf.draw(node["nfs"]),
        chain.draw(node["chains"]),
        _problems(node["problems"]),
    )


def _lab(nodes: Mapping[str, Any]) -> RenderableType:
    """A line for each node of a lab, and all that is wrong anywhere."""
    return Group(
        table(
            (
                "NODE",
                "DATA PLANE",
                "#FOR",
                "#RESTARTS",
                "MANAGER",
                "PORTS",
                "LINKS",
                "NFS",
                "#CHAINS",
            ),
            [_line(name, node) for name, node in nodes.items()],
        ),
        *(
            Text(f"{name}: ").append_text(_problems(node["problems"]))
            for name, node in nodes.items()
        ),
    )


def _line(name: str, node: Mapping[str, Any]) -> tuple[object, ...]:
    plane = node["dataplane"]
    return (
        name,
        plane["state"],
        duration(plane["seconds"]),
        plane["restarts"],
        node["version"],
        _of(node["ports"], lambda port: port["open"] and port["up"], "up"),
        _of(node["links"], lambda link: link["up"], "up"),
        _of(node["nfs"], lambda nf: nf["state"] == "running", "run"),
        len({chain["name"] for chain in node["chains"]}),
    )


def _of(things: Sequence[Any], good: Callable[[Any], bool], word: str) -> str:
    """How many of them are as they should be: `2 of 3 up`."""
    return f"{sum(map(bool, map(good, things)))} of {len(things)} {word}" if things else ""


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

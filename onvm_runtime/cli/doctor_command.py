# SPDX-License-Identifier: BSD-3-Clause
"""`onvm doctor`: what is wrong with this host, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.chains import SpecError
from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.failure import ExitCode
from onvm_runtime.cli.offline import NODE_FILE, NodeFile
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.config import load as load_node

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

Row = Mapping[str, str]


def doctor(ctx: typer.Context, node: NodeFile = NODE_FILE, as_json: AsJson = False) -> None:
    """Examines this host: memory, CPUs, devices, Docker, versions, and what runs.

    Needs neither root nor a manager.  Exit code 1 when something must be mended.
    """
    session = begin(ctx, as_json)
    rows = list(_examine(node, session.manager))
    session.show(rows, _draw)
    if any(row["level"] == "fail" for row in rows):
        raise typer.Exit(ExitCode.FAILED)


def _examine(path: Path, manager: Manager) -> Iterator[Row]:
    # Here and not above: the docker SDK takes longer to load than other commands to run.
    from onvm_runtime.cli.doctor import Finding, Host, examine, fail, running, warn

    def row(check: str, finding: Finding) -> Row:
        return {
            "check": check,
            "level": finding.level.value,
            "text": finding.text,
            "remedy": finding.remedy,
        }

    config = NodeConfig()
    if not path.exists():
        yield row(
            "configuration",
            warn(f"there is no {path}: checked against the defaults", "Run site.yml."),
        )
    else:
        try:
            config = load_node(path)
        except SpecError as error:
            for problem in error.problems:
                yield row("configuration", fail(str(problem), "Correct it; then look again."))
    for check, finding in examine(Host(), config):
        yield row(check, finding)
    for finding in running(manager):
        yield row("running", finding)


def _draw(rows: Sequence[Row]) -> RenderableType:
    count = Counter(row["level"] for row in rows)
    summary = Text(f"{count['ok']} ok, {count['warn']} to look at, {count['fail']} to mend")
    return Group(*map(_line, rows), Text(), summary)


def _line(row: Row) -> Text:
    line = Text()
    line.append(f"{row['level']:<5}", _STYLES[row["level"]])
    line.append(f"{row['check']:<14}{row['text']}")
    if row["remedy"]:
        line.append(f"\n{'':<19}-> {row['remedy']}", "dim")
    return line

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm chain`: what chains there are, and how to change them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from onvm_runtime.chains import SpecError, check
from onvm_runtime.cli import probe
from onvm_runtime.cli.failure import CommandError, ExitCode
from onvm_runtime.cli.offline import NODE_FILE, NodeFile, read_catalogue, read_node, refusal
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table

app = typer.Typer(no_args_is_help=True)
app.command()(probe.probe)

ChainsFile = Annotated[str, typer.Argument(metavar="FILE", help="A chains file; - reads stdin.")]

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@app.command()
def ls(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists chains, both directions of each, and what is in them now."""
    session = begin(ctx, as_json)
    session.answer(lambda of: of.get("/v1/chains"), lambda answer: draw(answer["chains"]))


@app.command()
def diff(ctx: typer.Context, file: ChainsFile, as_json: AsJson = False) -> None:
    """Shows what an apply would change.  Exit code 5 when it would change something."""
    session = begin(ctx, as_json)
    request = _request(file)
    reply = session.answer(lambda of: of.post("/v1/chains/diff", request), _changes)
    if any(answer["changes"] for answer in reply.answers()):
        raise typer.Exit(ExitCode.DIFFERENT)


@app.command()
def apply(ctx: typer.Context, file: ChainsFile, as_json: AsJson = False) -> None:
    """Puts a chains file into effect, all of it or nothing."""
    session = begin(ctx, as_json)
    request = _request(file)
    session.change(lambda of: of.post("/v1/chains/apply", request), applied)


@app.command()
def rm(ctx: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Removes one chain; its services stay."""
    session = begin(ctx, as_json)
    session.change(lambda of: of.delete(f"/v1/chains/{name}"), applied)


@app.command()
def validate(
    ctx: typer.Context,
    file: ChainsFile,
    node: NodeFile = NODE_FILE,
    catalogue: Annotated[
        Path | None, typer.Option(help="Folder of the NFs; node.yml names it otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Checks a chains file against node.yml and the catalogue, without a manager."""
    session = begin(ctx, as_json)
    config = read_node(node)
    request = _request(file)
    try:
        spec = check(
            request["text"],
            request["source"],
            read_catalogue(catalogue or config.catalogue),
            [port.name for port in config.ports],
        )
    except SpecError as error:
        raise refusal(f"{request['source']} is refused", error) from error
    counts = {"services": len(spec.services), "chains": len(spec.chains)}
    session.show(counts, lambda _: f"{request['source']} is right")


def _request(file: str) -> dict[str, str]:
    """The text of a chains file and its name in problems."""
    if file == "-":
        return {"source": "<stdin>", "text": sys.stdin.read()}
    try:
        return {"source": file, "text": Path(file).read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"cannot read {file}: {error}", remedy="Is the name right, and the file text in UTF-8?"
        ) from error


def draw(chains: Any) -> RenderableType:
    """The table of chains."""
    return table(
        ("CHAIN", "DIRECTION", "#ID", "PATH", "EGRESS", "STATE", "#IN FLIGHT"),
        [_chain(chain) for chain in chains],
    )


def _chain(chain: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        chain["name"],
        "back" if chain["reverse"] else "forth",
        str(chain["id"]),
        " → ".join(chain["path"]) or "(wire)",
        chain["egress"],
        _state(chain),
        chain["in_flight"],
    )


def _state(chain: Mapping[str, Any]) -> str:
    if chain["draining"]:
        return "drains"
    if chain["withheld"]:
        return "waits for a port"
    return "default" if chain["default"] else "in force"


def _changes(answer: Any) -> RenderableType:
    lines = [line for change in answer["changes"] for line in _change(change)]
    return Text("\n").join(lines or [Text("nothing changes")])


def applied(answer: Any) -> RenderableType:
    """What a rollout did."""
    return Text("\n").join(_outcome(answer))


def _outcome(answer: Mapping[str, Any]) -> Iterator[Text]:
    for change in answer["changes"]:
        yield from _change(change)
    for word in ("started", "reconfigured", "ended", "draining"):
        if answer[word]:
            yield Text(f"{word}: {', '.join(answer[word])}")
    if not answer["drained"]:
        yield Text("packets are still on their way on old chains; they finish there", "yellow")
    yield Text(f"in force after {answer['seconds']:.2f} s")


def _change(change: Mapping[str, Any]) -> Iterator[Text]:
    sign, style = _SIGNS[change["action"]]
    yield Text(f"{sign} {change['kind']} {change['name']}", style)
    before, after = change["before"], change["after"]
    for key in {**before, **after}:
        yield Text(f"    {key}: {_shift(before.get(key), after.get(key), change['action'])}")


def _shift(before: object, after: object, action: str) -> str:
    if action == "changed":
        return f"{_plain(before)} -> {_plain(after)}"
    return _plain(after if action == "added" else before)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

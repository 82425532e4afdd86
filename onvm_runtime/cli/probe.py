# SPDX-License-Identifier: BSD-3-Clause
"""`onvm chain probe`: whether a chain can be passed, over a node or a lab."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from onvm_runtime.cli.failure import CommandError, ExitCode
from onvm_runtime.cli.session import AsJson, Session, begin
from onvm_runtime.cli.trace import LOOK_SECONDS, draw, join
from onvm_runtime.lab.probes import ARRIVED, decision
from onvm_runtime.lab.visits import belongs_to

PATH = "/v1/probes"


def probe(
    ctx: typer.Context,
    name: str,
    length: Annotated[int, typer.Option(min=60, max=2048, help="Bytes of each probe.")] = 128,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long to wait.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Sends a probe packet along each way of a chain, both directions, and follows it.

    Probes do not leave: they end as probe_arrived where packets would.  Exit code 1 when one
    was lost.  What an NF drops by its rules is not.
    """
    session = begin(ctx, as_json)
    sent = _send(session, name, length)
    if not sent:
        raise CommandError(f"packets enter no chain {name} here", remedy="See onvm chain ls.")
    found = _follow(session, sent, time.monotonic() + seconds)
    session.show(found, draw)
    if len(found) < len(sent) or not all(map(_arrived, found)):
        raise typer.Exit(ExitCode.FAILED)


def _send(session: Session, name: str, length: int) -> set[int]:
    """The ids of the probes."""

    def ask(manager: Any) -> list[int]:
        there = {chain["name"] for chain in manager.get("/v1/chains")["chains"]}
        answers = [
            manager.post(PATH, {"chain": one, "length": length})
            for one in sorted(there)
            if belongs_to(one, name)
        ]
        return [sent["id"] for answer in answers for sent in answer["probes"]]

    reply = session.ask(ask)
    if reply.code is not ExitCode.OK:
        session.show(reply.to_json(), lambda _: reply.page(lambda *_: "", None, None))
        raise typer.Exit(reply.code)
    return {number for ids in reply.answers() for number in ids}


def _follow(session: Session, sent: set[int], deadline: float) -> list[dict[str, Any]]:
    """The ways of the probes that have ended, or are where time was over."""
    while True:
        answers = session.ask(lambda of: of.get(PATH)).by_node()
        parts = _parts(answers, sent)
        found = join(parts, len(answers))
        if sum(way["ended"] for way in found) == len(sent) or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_SECONDS)


def _parts(answers: Mapping[str, Any], sent: set[int]) -> Iterable[dict[str, Any]]:
    return [
        {"node": node, **passage}
        for node, answer in answers.items()
        for passage in answer["passages"]
        if passage["id"] in sent
    ]


def _arrived(way: Mapping[str, Any]) -> bool:
    """Whether it has ended as it was to, as far as the nodes that were asked can say."""
    last = way["nodes"][-1]
    if not way["ended"]:
        return False
    return last["end"] == "left" or last["reason"] == ARRIVED or decision(last) is not None

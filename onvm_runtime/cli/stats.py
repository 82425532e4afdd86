# SPDX-License-Identifier: BSD-3-Clause
"""`onvm stats`: what passes the node, once or live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli import watching
from onvm_runtime.cli.order import along
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import short, table
from onvm_runtime.lab.visits import belongs_to
from onvm_runtime.telemetry.counters import FlowCount
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from onvm_runtime.telemetry.rates import rate

Stats = Mapping[str, Any]

_HOP_COLUMNS = ("CHAIN", "HOP", "#PACKETS", "#PACKETS/s", "#bit/s")


def stats(
    ctx: typer.Context,
    chain: Annotated[str | None, typer.Option(help="Only this chain, hop by hop.")] = None,
    watch: watching.Watch = False,
    interval: watching.Interval = 1.0,
    as_json: AsJson = False,
) -> None:
    """Shows packets by port, by hop of each chain, and by drop reason.

    With --watch also rates, again and again; with --json then one line for each look.
    """
    session = begin(ctx, as_json)
    show = draw if chain is None else lambda now, before: _hops(now, before, chain)
    if watch:
        watching.watch(session, "/v1/stats", show, interval)
    else:
        across = along(session, chain, _HOP_COLUMNS[:3], _of_chain)
        session.answer(lambda of: of.get("/v1/stats"), lambda now: show(now, None), across)


def _of_chain(now: Stats, name: str) -> Iterator[tuple[object, ...]]:
    for chain in now["chains"]:
        if chain["name"] == name:
            yield from (row[:3] for row in _chain(chain, None, 0.0))


def draw(now: Stats, before: Stats | None) -> RenderableType:
    """The tables of one look; with an earlier one, rates between them."""
    return Group(
        _node(now["node"]),
        _workers(now, before),
        _ports(now, before),
        _hops(now, before),
        _drops(now, before),
    )


def _node(node: Stats) -> Text:
    return Text(
        f"{node['flows']:,} flows known, {node['buffers_out']:,} of {node['buffers']:,} buffers "
        f"with NFs, {node['buffers_queued']:,} in ports and queues"
    )


def _workers(now: Stats, before: Stats | None) -> RenderableType:
    old = dict(enumerate(before["node"]["workers"])) if before else {}
    return table(
        ("WORKER", "#PACKETS", "#PACKETS/s", "#BUSY"),
        [
            _worker(number, worker, old.get(number), _seconds(now, before))
            for number, worker in enumerate(now["node"]["workers"])
        ],
    )


def _worker(number: int, worker: Stats, before: Stats | None, seconds: float) -> tuple[object, ...]:
    pace = _pace(worker["packets"], before["packets"] if before else None, seconds)
    return number, worker["packets"], pace, f"{_busy(worker, before):.0%}"


def _busy(worker: Stats, before: Stats | None) -> float:
    """The share of time in which it moved packets, since the earlier look or its start."""
    if before is None or worker["cycles"] <= before["cycles"]:
        return float(worker["busy_cycles"] / max(worker["cycles"], 1))
    cycles = worker["cycles"] - before["cycles"]
    return float((worker["busy_cycles"] - before["busy_cycles"]) / cycles)


def _ports(now: Stats, before: Stats | None) -> RenderableType:
    return table(
        ("PORT", "#RX", "#RX/s", "#RX bit/s", "#TX", "#TX/s", "#TX bit/s", "#MISSED", "#ERRORS",
         "#TX DROPPED"),
        [_port(port, _same(port, before, "ports"), _seconds(now, before)) for port in now["ports"]],
    )  # fmt: skip


def _port(port: Stats, before: Stats | None, seconds: float) -> tuple[object, ...]:
    counters, old = port["counters"], before["counters"] if before else None
    return (
        port["name"],
        *_flow(counters["rx"], old and old["rx"], seconds),
        *_flow(counters["tx"], old and old["tx"], seconds),
        counters["rx_missed"],
        counters["rx_errors"],
        counters["tx_dropped"],
    )


def _hops(now: Stats, before: Stats | None, only: str | None = None) -> RenderableType:
    return table(
        _HOP_COLUMNS,
        [
            row
            for chain in now["chains"]
            if only is None or belongs_to(chain["name"], only)
            for row in _chain(chain, _same(chain, before, "chains"), _seconds(now, before))
        ],
    )


def _chain(chain: Stats, before: Stats | None, seconds: float) -> Iterator[tuple[object, ...]]:
    old = dict(_steps(before)) if before else {}
    names = iter([_name(chain)])
    for step, count in _steps(chain):
        yield next(names, " "), step, *_flow(count, old.get(step), seconds)
    yield " ", "dropped", chain["counters"]["dropped"], " ", " "


def _steps(chain: Stats) -> Iterator[tuple[str, Stats]]:
    counters = chain["counters"]
    yield "in", counters["entered"]
    for hop in chain["hops"]:
        yield f"{hop['hop'] + 1} {hop['service']}", hop["handled"]
    yield "out", counters["left"]


def _name(chain: Stats) -> str:
    notes = [word for word in ("reverse", "draining") if chain[word]]
    return f"{chain['name']} ({', '.join(notes)})" if notes else str(chain["name"])


def _drops(now: Stats, before: Stats | None) -> RenderableType:
    texts = {reason.name: reason.text for reason in DROP_REASONS}
    counts = {reason: count for reason, count in now["node"]["drops"].items() if count}
    old = before["node"]["drops"] if before else {}
    if not counts:
        return Text("nothing was dropped")
    return table(
        ("DROPPED", "#PACKETS", "#PACKETS/s", "BECAUSE"),
        [
            (
                reason,
                count,
                _pace(count, old.get(reason), _seconds(now, before)),
                texts.get(reason, ""),
            )
            for reason, count in counts.items()
        ],
    )


def _same(item: Stats, before: Stats | None, kind: str) -> Stats | None:
    """The port or chain of an earlier look that is this one."""
    key = "id" if "id" in item else "name"
    found = before[kind] if before else ()
    return next((old for old in found if old[key] == item[key]), None)


def _seconds(now: Stats, before: Stats | None) -> float:
    return now["time"] - before["time"] if before else 0.0


def _flow(count: Stats, before: Stats | None, seconds: float) -> tuple[object, str, str]:
    """Packets, packets a second and bits a second; no rates without an earlier look."""
    if before is None:
        return count["packets"], "", ""
    found = rate(FlowCount(**before), FlowCount(**count), seconds)
    return count["packets"], short(found.packets), short(found.bits)


def _pace(count: int, before: int | None, seconds: float) -> str:
    if before is None:
        return ""
    return short(rate(FlowCount(before, 0), FlowCount(count, 0), seconds).packets)

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm latency`: how long packets take, from ingress to egress and at each hop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli import watching
from onvm_runtime.cli.order import along
from onvm_runtime.cli.session import AsJson, begin
from onvm_runtime.cli.table import table
from onvm_runtime.lab.visits import belongs_to
from onvm_runtime.telemetry import histograms
from onvm_runtime.telemetry.histograms import Histogram

PATH = "/v1/latency"
PERCENTILES = (50, 99, 99.9)

_COLUMNS = ("CHAIN", "HOP", "STAGE", "#p50 µs", "#p99 µs", "#p99.9 µs", "#MAX µs", "#SAMPLES")

Latency = Mapping[str, Any]


def latency(
    ctx: typer.Context,
    chain: Annotated[str | None, typer.Option(help="Only this chain.")] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=0, max=1_000_000_000, help="First sample one packet of so many; 0: none."),
    ] = None,
    watch: watching.Watch = False,
    interval: watching.Interval = 1.0,
    as_json: AsJson = False,
) -> None:
    """Shows what sampled packets took in each chain, at each hop, in microseconds.

    With --watch of what was sampled since the look before.
    """
    session = begin(ctx, as_json)
    if sample is not None:
        wanted = {"every": sample}
        session.tell(lambda of: of.put(PATH, wanted))
    if watch:
        watching.watch(session, PATH, lambda now, old: draw(now, old, chain), interval)
    else:
        across = along(session, chain, _COLUMNS, _of_chain)
        session.answer(lambda of: of.get(PATH), lambda now: draw(now, None, chain), across)


def _of_chain(now: Latency, name: str) -> Iterator[tuple[object, ...]]:
    for chain in now["chains"]:
        if chain["name"] == name:
            yield from _chain(chain, now["hz"], {})


def draw(now: Latency, before: Latency | None, only: str | None) -> RenderableType:
    """The table of one look; with an earlier one, of what came between them."""
    rows = [
        row
        for chain in now["chains"]
        if only is None or belongs_to(chain["name"], only)
        for row in _chain(chain, now["hz"], _earlier(chain, before))
    ]
    return Group(Text(_sampling(now)), table(_COLUMNS, rows))


def _sampling(now: Latency) -> str:
    if now["refusal"]:
        return str(now["refusal"])
    if now["every"] == 0:
        return "no packet is sampled: see onvm latency --sample"
    return f"one packet of {now['every']:,} is sampled"


def _chain(chain: Latency, hz: int, before: Mapping[Any, Latency]) -> Iterator[tuple[object, ...]]:
    names = iter([f"{chain['name']} (reverse)" if chain["reverse"] else chain["name"]])
    for stage in chain["stages"]:
        times = histograms.since(
            _histogram(before.get(_place(stage), {}), hz), _histogram(stage, hz)
        )
        hop = f"{stage['hop']} {stage['service']}" if stage["hop"] else " "
        yield next(names, " "), hop, stage["stage"], *_times(times), times.count


def _place(stage: Latency) -> tuple[Any, ...]:
    return stage["hop"], stage["stage"]


def _earlier(chain: Latency, before: Latency | None) -> Mapping[Any, Latency]:
    """The stages of this chain in an earlier look, by their place."""
    chains = before["chains"] if before else ()
    found = next((old for old in chains if old["id"] == chain["id"]), {"stages": ()})
    return {_place(stage): stage for stage in found["stages"]}


def _histogram(stage: Latency, hz: int) -> Histogram:
    if not stage:
        return Histogram()
    buckets = {int(bucket): count for bucket, count in stage["buckets"].items()}
    return Histogram(buckets, hz, stage["sum"], stage["max"])


def _times(times: Histogram) -> tuple[str, ...]:
    if not times.buckets:
        return ("", "", "", "")
    values = [*(times.percentile(percent) for percent in PERCENTILES), times.max]
    return tuple(f"{value * 1e6:,.1f}" for value in values)

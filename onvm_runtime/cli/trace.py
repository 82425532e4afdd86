# SPDX-License-Identifier: BSD-3-Clause
"""`onvm trace`: follows packets through the NFs of a node, and over the nodes of a lab."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli.failure import ExitCode
from onvm_runtime.cli.session import AsJson, Session, begin
from onvm_runtime.cli.table import table
from onvm_runtime.lab.visits import belongs_to

PATH = "/v1/traces"
LOOK_SECONDS = 0.2
MOST = 100

Part = Mapping[str, Any]  # a packet's way through one node, with the node's name


def trace(
    ctx: typer.Context,
    chain: Annotated[str | None, typer.Option(help="Packets of this chain, both ways.")] = None,
    match: Annotated[
        str, typer.Option(help="Packets in whose description this is, such as tcp or :80.")
    ] = "",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many packets.")] = 1,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="How long to wait for them.")
    ] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Follows the next packets: hops, NFs, verdicts, times, and how each ended.

    Over a lab each packet is one path from node to node.  Clocks of nodes are not
    compared: times begin at 0 on each.  Exit code 1 when fewer packets came.
    """
    session = begin(ctx, as_json)
    packets = _Following(session, chain, match).packets(count, seconds)
    session.show(packets, draw)
    if len(packets) < count:
        raise typer.Exit(ExitCode.FAILED)


class _Following:
    """Asks for traces and looks for them until there are enough."""

    def __init__(self, session: Session, chain: str | None, match: str) -> None:
        self._session, self._chain, self._match = session, chain, match
        self._nodes = 1  # that were asked

    def packets(self, count: int, seconds: float) -> list[dict[str, Any]]:
        """The paths of at most `count` packets that ended, or are where `seconds` were over."""
        deadline = time.monotonic() + seconds
        seen = {part["id"] for part in self._parts()}
        self._session.tell(self._arm(MOST if self._match else count))
        while True:
            found = join([part for part in self._parts() if part["id"] not in seen], self._nodes)
            wanted = [packet for packet in found if self._wants(packet)]
            ended = [packet for packet in wanted if packet["ended"]]
            if len(ended) >= count:
                return ended[:count]
            if time.monotonic() > deadline:
                return wanted[:count]
            time.sleep(LOOK_SECONDS)

    def _wants(self, packet: Mapping[str, Any]) -> bool:
        if self._match not in packet["packet"]:
            return False
        chains = [part["chain"] or "" for part in packet["nodes"]]
        return self._chain is None or any(belongs_to(name, self._chain) for name in chains)

    def _arm(self, count: int) -> Callable[[Any], Any]:
        def ask(manager: Any) -> Any:
            names = None
            if self._chain is not None:
                there = {one["name"] for one in manager.get("/v1/chains")["chains"]}
                names = [name for name in there if belongs_to(name, self._chain)]
                names.append(self._chain)
            return manager.post(PATH, {"chains": names, "count": count})

        return ask

    def _parts(self) -> Iterator[Part]:
        answers = self._session.ask(lambda of: of.get(PATH)).by_node()
        self._nodes = len(answers)
        for node, answer in answers.items():
            for passage in answer["passages"]:
                yield {"node": node, **passage}


def join(parts: Iterable[Part], nodes: int) -> list[dict[str, Any]]:
    """Packets, each with its parts in the order of its path.

    `ended`: nothing comes after the last part.  Of what left by a link that is only so
    where no other node was asked (`nodes`: how many were).
    """
    by_packet: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        by_packet[part["id"]].append(part)
    return [_path(packet, found, nodes) for packet, found in by_packet.items()]


def _path(packet: int, parts: Sequence[Part], nodes: int) -> dict[str, Any]:
    """From where it came by no link, over the links that it left by."""
    left = list(parts)
    first = next((part for part in left if part["link"] is None), left[0])
    way = [first]
    left.remove(first)
    while left:
        after = next((part for part in left if part["link"] == way[-1]["to"]), None)
        if after is None:
            break
        way.append(after)
        left.remove(after)
    last = way[-1]
    return {
        "id": f"{packet:08x}",
        "packet": way[0]["packet"],
        "length": way[0]["length"],
        "flow": way[0]["flow"],
        "ended": last["end"] != "lost" and (last["to"] is None or nodes == 1),
        "nodes": way,
    }


def draw(packets: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Each packet and its way from node to node."""
    if not packets:
        return Text("no such packet came by")
    return Group(*(part for packet in packets for part in _packet(packet)))


def _packet(packet: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(f"packet {packet['id']}: {packet['packet']}, {packet['length']} bytes")
    yield table(
        ("NODE", "CHAIN", "STEP", "NF", "#AT µs", "#TOOK µs", "VERDICT"),
        [row for part in packet["nodes"] for row in _part(part)],
    )


def _part(part: Part) -> Iterator[tuple[object, ...]]:
    chain = f"{part['chain'] or '-'}{' (reverse)' if part['reverse'] else ''}"
    came = f"link {part['link']}" if part["link"] else f"port {part['port']}"
    yield part["node"], chain, f"in by {came}", "", "0.0", "", ""
    for hop in part["hops"]:
        step = f"{hop['hop']} {hop['service'] or ''}"
        verdict = f"{hop['verdict']} {hop['reason'] or ''}".strip()
        yield " ", " ", step, hop["instance"], _micro(hop["at"]), _micro(hop["took"]), verdict
    yield " ", " ", _end(part), "", _micro(part["seconds"]), "", part["reason"] or ""


def _end(part: Part) -> str:
    if part["end"] == "left":
        return f"out by link {part['to']}" if part["to"] else f"out by port {part['by']}"
    return "dropped" if part["end"] == "dropped" else "not seen again"


def _micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.1f}"

# SPDX-License-Identifier: BSD-3-Clause
"""Traces as the API shows them: numbers become names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onvm_runtime._control import lib
from onvm_runtime.chains import Plan
from onvm_runtime.manager import models
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from onvm_runtime.telemetry.headers import describe
from onvm_runtime.telemetry.trace import Passage, Record

_VERDICTS = {
    lib.ONVM_VERDICT_DROP: "drop",
    lib.ONVM_VERDICT_NEXT: "next",
    lib.ONVM_VERDICT_TO: "to",
    lib.ONVM_VERDICT_OUT: "out",
}


def wanted_chains(plan: Plan, names: list[str] | None) -> list[int]:
    """The numbers of the chains of these names, both directions, and of what spreads over them."""
    entries = [(chain.id, chain.name) for chain in plan.chains]
    entries += [(spread.id, spread.name) for spread in plan.spreads]
    return [number for number, name in entries if names is None or name in names]


@dataclass(frozen=True)
class Names:
    """What numbers mean on a node now.

    status  the data plane's answer to `status`
    hz      cycles in a second
    """

    status: Mapping[str, Any]
    plan: Plan
    hz: int

    def passage(self, passage: Passage) -> models.Passage:
        """A passage in words."""
        entered, ended = passage.entered, passage.ended
        chain = self._chain(passage)
        return models.Passage(
            id=entered.id,
            chain=chain.get("name"),
            reverse=chain.get("reverse", False),
            port=self._port(entered.port),
            link=self._link(entered.span),
            flow=entered.flow,
            length=entered.length,
            packet=describe(entered.head),
            hops=[self._hop(record, entered.at) for record in passage.handled],
            seconds=None if ended is None else self._seconds(ended.at - entered.at),
            **self._end(ended),
        )

    def _chain(self, passage: Passage) -> Mapping[str, Any]:
        """The chain that it was on at last: one that spreads gives packets to another."""
        records = [passage.entered, *passage.handled, *filter(None, [passage.ended])]
        number = next((r.chain for r in reversed(records) if r.chain), 0)
        return _found(self.status["chains"], number)

    def _hop(self, record: Record, since: int) -> models.TracedHop:
        nf: Mapping[str, Any] = next(
            (nf for nf in self.status["nfs"] if nf["name"] == record.nf), {}
        )
        return models.TracedHop(
            hop=record.hop + 1,
            service=nf.get("service"),
            instance=record.nf,
            at=self._seconds(record.at - since),
            took=self._seconds(record.took),
            verdict=_VERDICTS.get(record.verdict, str(record.verdict)),
            reason=_reason(record),
        )

    def _end(self, ended: Record | None) -> dict[str, Any]:
        if ended is None:
            return {"end": "lost", "by": None, "to": None, "reason": None}
        if ended.verdict == lib.ONVM_VERDICT_DROP:
            return {"end": "dropped", "by": None, "to": None, "reason": _reason(ended)}
        port, link = self._way_out(ended)
        return {"end": "left", "by": port, "to": link, "reason": None}

    def _way_out(self, ended: Record) -> tuple[str | None, str | None]:
        """The port and the link that it left by."""
        if ended.verdict == lib.ONVM_VERDICT_OUT:
            return self._port(ended.argument), None
        egress = next((c.egress for c in self.plan.chains if c.id == ended.chain), None)
        if egress is None or isinstance(egress, str):
            return egress, None
        ports = {link["name"]: link["port"] for link in self.status["links"]}
        return ports.get(egress.link), egress.link

    def _port(self, number: int) -> str | None:
        return _found(self.status["ports"], number).get("name")

    def _link(self, span: int) -> str | None:
        return _found(self.status["links"], span - 1).get("name") if span else None

    def _seconds(self, cycles: int) -> float:
        return max(0, cycles) / self.hz


def _found(things: list[dict[str, Any]], number: int) -> dict[str, Any]:
    return next((thing for thing in things if thing["id"] == number), {})


def _reason(record: Record) -> str | None:
    if record.verdict != lib.ONVM_VERDICT_DROP:
        return None
    names = {reason.number: reason.name for reason in DROP_REASONS}
    return names.get(record.argument, str(record.argument))

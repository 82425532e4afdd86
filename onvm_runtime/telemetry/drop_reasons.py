# SPDX-License-Identifier: BSD-3-Clause
"""Why packets ended before an egress port, read from the table in C.

``python -m onvm_runtime.telemetry.drop_reasons`` prints docs/drop-reasons.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from onvm_runtime._control import ffi, lib

_WHO = {
    "path": "the data plane itself",
    "nf": "the verdict of an NF",
    "fault": "a participant that broke the protocol",
}


@dataclass(frozen=True)
class DropReason:
    """One reason.  `number` is its place in every array of drop counters.

    who   path, nf or fault: who decided
    text  a clause that ends "the packet was dropped because"
    """

    number: int
    name: str
    who: str
    text: str


def _read(number: int) -> DropReason:
    entry = lib.onvm_drop_reason_text(number)
    name, who, text = (ffi.string(field).decode() for field in (entry.name, entry.who, entry.text))
    return DropReason(number, name, who, text)


DROP_REASONS: tuple[DropReason, ...] = tuple(map(_read, range(lib.ONVM_DROP_REASON_COUNT)))


def markdown() -> str:
    """The page docs/drop-reasons.md."""
    rows = [f"| {r.number} | `{r.name}` | {r.who} | {r.text} |" for r in DROP_REASONS]
    return "\n".join([*_heading(), *rows]) + "\n"


def _heading() -> list[str]:
    return [
        "# Drop reasons",
        "",
        "A packet that does not leave by an egress port is counted under exactly one reason.",
        "`onvm stats` shows them, `/metrics` exports them as",
        "`onvm_drops_total{reason, who}`. This page is printed by",
        "`python -m onvm_runtime.telemetry.drop_reasons` from the table in",
        "`onvm_runtime/native/protocol/drop_reasons.h`.",
        "",
        "Who decided:",
        "",
        *(f"- `{who}`: {meaning}" for who, meaning in _WHO.items()),
        "",
        "| Number | Reason | Who | Meaning |",
        "|---|---|---|---|",
    ]


if __name__ == "__main__":
    print(markdown(), end="")

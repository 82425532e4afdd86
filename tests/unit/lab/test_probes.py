# SPDX-License-Identifier: BSD-3-Clause
"""Where the probes of a rollout go, and what is said of those that did not arrive."""

from __future__ import annotations

from typing import Any

import pytest

from onvm_runtime.lab import compile_lab, decisions, load, loss, new_ways, phases

NODES = {"a": ("client", "east"), "b": ("west", "east"), "c": ("west", "server")}
LAB = """
links:
  ab: {{ends: [{{node: a, port: east}}, {{node: b, port: west}}]}}
  bc: {{ends: [{{node: b, port: east}}, {{node: c, port: west}}], encapsulation: {kind}}}
services:
  near: {{nf: forward, on: a}}
  middle: {{nf: forward, on: b}}
  far: {{nf: forward, on: [b, c]}}
chains:
  - name: web
    ingress: {{node: a, port: client}}
    egress: {{node: c, port: server}}
    bidirectional: {back}
    path: {path}
"""
EMPTY: dict[str, Any] = {"services": {}, "links": {}, "chains": []}


def prepared(path: str, before: str = "", kind: str = "nsh", back: str = "false") -> dict[str, Any]:
    """The files of the phase prepare."""

    def files(path: str) -> dict[str, Any]:
        return compile_lab(load(LAB.format(path=path, kind=kind, back=back), "lab", NODES, {}))

    old = files(before) if before else dict.fromkeys(NODES, EMPTY)
    return {node: phases(old[node], new).prepare for node, new in files(path).items()}


WAYS: list[tuple[dict[str, str], list[tuple[str, str]]]] = [
    ({"path": "[near, middle]"}, [("web", "a-ab b-bc c")]),
    ({"path": "[near, middle]", "before": "[near]"}, [("web", "a-ab b-bc c")]),
    ({"path": "[near]", "before": "[near]"}, []),
    ({"path": "[near]", "back": "true"}, [("web", "a-ab b-bc c"), ("web-back", "c-bc b-ab a")]),
    ({"path": "[far]"}, [("web-1", "a-ab b-bc c"), ("web-2", "a-ab b-bc c")]),
    ({"path": "[far]", "before": "[near]"}, [("web-1", "a-ab b-bc c"), ("web-2", "a-ab b-bc c")]),
    ({"path": "[near]", "before": "[far]"}, [("web", "a-ab b-bc c")]),
    ({"path": "[near]", "kind": "vlan"}, [("web", "a-ab b-bc"), ("web", "c")]),
]


@pytest.mark.parametrize(("change", "expected"), WAYS, ids=[str(change) for change, _ in WAYS])
def test_a_probe_goes_along_every_way_that_packets_will_enter(
    change: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    found = []
    for way in new_ways(prepared(**change)):
        steps = [f"{v.node}-{v.link}" if v.link else v.node for v in way.visits]
        found.append((way.chain, " ".join(steps)))
        assert [v.came for v in way.visits[1:]] == [v.link for v in way.visits[:-1]]
        assert [v.ends for v in way.visits] == [False] * (len(steps) - 1) + [True]
    assert sorted(found) == sorted(expected)


def test_without_a_node_that_takes_no_part_the_way_is_followed_as_far_as_it_goes() -> None:
    files = prepared("[near]")
    del files["c"]
    (way,) = new_ways(files)
    assert [visit.node for visit in way.visits] == ["a", "b"]
    passages = {"a": [part("near-1", to="ab")], "b": [part("middle-1", came="ab", to="bc")]}
    assert loss(way, 1, passages) is None


def part(
    *instances: str,
    came: str | None = None,
    to: str | None = None,
    reason: str | None = None,
    verdict: str = "next",
    end: str = "",
) -> dict[str, Any]:
    """A passage; it left where `to` is given, and was dropped where `reason` is."""
    hops = [{"instance": one, "verdict": "next"} for one in instances]
    if hops:
        hops[-1]["verdict"] = verdict
    known = "left" if to else "dropped" if reason else "lost"
    return {"id": 1, "link": came, "hops": hops, "to": to, "by": None, "reason": reason,
            "end": end or known}  # fmt: skip


A = part("near-1", to="ab")
B = part("middle-1", came="ab", to="bc")
C = part(came="bc", reason="probe_arrived")
LOSSES: list[tuple[list[Any], str | None]] = [
    ([A, B, C], None),
    ([A, B, None], "left b by link bc and did not arrive at c"),
    ([None, None, None], "is not known at a, which sent it"),
    ([part(), None, None], "was lost at a, in or before hop 1, near"),
    ([part("near-1"), None, None], "was lost at a, behind near-1, on its way to link ab"),
    ([A, part(came="ab"), None], "was lost at b, in or before hop 1, middle"),
    ([A, part(came="xy"), None], "left a by link ab and did not arrive at b"),
    ([A, B, part(came="bc")], "was lost at c, where it came in"),
    ([part(reason="no_instance"), None, None],
     "was dropped at a, in or before hop 1, near: no_instance"),
    ([A, part("middle-1", came="ab", reason="oversize"), None],
     "was dropped at b, behind middle-1, on its way to link bc: oversize"),
    ([A, part("middle-1", came="ab", reason="nf_policy", verdict="drop"), None], None),
    ([A, part("middle-1", came="ab", reason="nf_error", verdict="drop"), None],
     "was dropped at b, behind middle-1, on its way to link bc: nf_error"),
    ([A, part("middle-1", came="ab", to="ab"), None], "left b by ab, which it was not to"),
    ([A, B, part(came="bc", end="left")], "left c by None, which it was not to"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "sentence"), LOSSES, ids=[str(said) for _, said in LOSSES])
def test_what_is_said_of_a_probe(parts: list[Any], sentence: str | None) -> None:
    (way,) = new_ways(prepared("[near, middle]"))
    passages = {node: [one] if one else [] for node, one in zip("abc", parts, strict=True)}
    assert loss(way, 1, passages) == sentence
    decided = [one for one in parts if one and one["reason"] == "nf_policy"]
    assert len(decisions(way, 1, passages)) == len(decided)

# SPDX-License-Identifier: BSD-3-Clause
"""What every node has while a lab changes from one state to another."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest

from onvm_runtime.chains import Catalogue, Exit, check, compile_plan
from onvm_runtime.chains.document import write
from onvm_runtime.lab import compile_lab, load, phases

NODES = {"a": ("client", "east"), "b": ("west", "server")}
START = """
links: {ab: {ends: [{node: a, port: east}, {node: b, port: west}]}}
services:
  near: {nf: forward, on: a}
  far: {nf: forward, on: b}
  other: {nf: forward, on: b}
chains:
  - name: web
    ingress: {node: a, port: client}
    egress: {node: b, port: server}
    bidirectional: true
    path: """
CATALOGUE = Catalogue.load(
    [("forward/nf.yml", "{name: forward, summary: Passes on., parameters: {type: object}}")]
)
EMPTY = {"services": {}, "links": {}, "chains": []}


def files(path: str):
    return compile_lab(load(START + path, "lab.yml", NODES, {}))


OLD, NEW = files("[near, far]"), files("[near, other]")


def tags(file, words: str) -> set[int]:
    """Path ids that a file waits for (`match`) or sends under (`egress`)."""
    found = set()
    for chain in file["chains"]:
        for version in (chain, *chain.get("also", [])):
            ways = version.get("match", []) if words == "match" else [version.get("egress")]
            found |= {way["path_id"] for way in ways if isinstance(way, dict) and "link" in way}
    return found


@pytest.mark.parametrize("node", NODES)
def test_both_versions_are_awaited_before_anybody_sends_the_new_one(node):
    step = phases(OLD[node], NEW[node])
    both = tags(OLD[node], "match") | tags(NEW[node], "match")
    assert tags(step.prepare, "match") == tags(step.switch, "match") == both
    assert step.retire == NEW[node]


def test_packets_enter_the_old_chain_until_the_switch_and_the_new_one_from_then_on():
    step = phases(OLD["a"], NEW["a"])
    assert entry(step.prepare) == entry(OLD["a"])
    assert entry(step.switch) == entry(NEW["a"])


def closed(file) -> list[tuple[str, list, object]]:
    """What nothing enters yet."""
    return [
        (chain["name"], version["match"], version["egress"])
        for chain in file["chains"]
        for version in (chain, *chain.get("also", []))
        if version.get("closed")
    ]


@pytest.mark.parametrize("old", [OLD, {"a": EMPTY, "b": EMPTY}])
@pytest.mark.parametrize(("node", "name"), [("a", "web"), ("b", "web-back")])
def test_what_packets_are_to_enter_is_there_closed_before_they_do(node, name, old):
    step = phases(old[node], NEW[node])
    new = next(one for one in NEW[node]["chains"] if one["name"] == name)
    assert closed(step.prepare) == [(name, new["match"], new["egress"])]
    assert closed(step.switch) == closed(step.retire) == []
    plan = compile_plan(check(write(step.prepare), "x.yml", CATALOGUE, NODES[node]), None)
    numbers = [one.id for one in plan.chains if one.egress == egress(new)]
    assert not {rule.chain for rule in plan.rules} & {*numbers}


def egress(chain):
    way = chain["egress"]
    return Exit(**way) if isinstance(way, dict) else way


def test_a_spread_and_a_chain_may_take_each_others_place():
    spread = {**OLD["a"], "chains": [
        {"name": "web", "match": [{"port": "client"}], "priority": 0, "lanes": ["web-1"]},
        {"name": "web-1", "path": ["near"], "egress": {"link": "ab", "path_id": 7, "index": 9}},
    ]}  # fmt: skip
    into, back = phases(NEW["a"], spread), phases(spread, NEW["a"])
    assert closed(into.prepare) == [
        ("web-1", [{"port": "client"}], {"link": "ab", "path_id": 7, "index": 9})
    ]
    assert [name for name, _, _ in closed(back.prepare)] == ["web"]
    for file in (into.prepare, back.prepare):
        compile_plan(check(write(file), "a.yml", CATALOGUE, NODES["a"]), None)


def entry(file):
    chain = next(one for one in file["chains"] if one["name"] == "web")
    return chain["match"], chain["egress"]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("phase", ["prepare", "switch", "retire"])
@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), ({"a": EMPTY, "b": EMPTY}, NEW),
                                          (OLD, {"a": EMPTY, "b": EMPTY})])  # fmt: skip
def test_every_phase_is_a_right_file(node, phase, old, new):
    file = getattr(phases(old[node], new[node]), phase)
    spec = check(write(file), "node.yml", CATALOGUE, NODES[node])
    compile_plan(spec, None)


ENDS = "ingress: {node: a, port: client}, egress: {node: b, port: server}"
WEB = f"name: web, {ENDS}, path: [near, far]"
FORMS = {
    "one way": f"chains: [{{{WEB}}}]",
    "both ways": f"chains: [{{{WEB}, bidirectional: true}}]",
    "with a backup": f"chains: [{{{WEB}, backup: spare}}, {{name: spare, {ENDS}, path: [near]}}]",
    "both with a backup": f"chains: [{{{WEB}, bidirectional: true, backup: spare}}, "
    f"{{name: spare, {ENDS}, path: [near], bidirectional: true}}]",
    "several lanes": f"chains: [{{name: web, {ENDS}, path: [everywhere, far]}}]",
    "several both ways": f"chains: [{{name: web, {ENDS}, path: [everywhere], "
    "bidirectional: true}]",
}


def form(name: str):
    services = START.partition("chains:")[0] + "  everywhere: {nf: forward, on: [a, b]}\n"
    return compile_lab(load(services + FORMS[name], "lab.yml", NODES, {}))


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize(("old", "new"), [*permutations(FORMS, 2)])
def test_a_chain_of_one_form_becomes_one_of_another(node, old, new):
    step = phases(form(old)[node], form(new)[node])
    for file in (step.prepare, step.switch, step.retire):
        check(write(file), "node.yml", CATALOGUE, NODES[node])


def test_ids_stay_over_the_phases_so_that_no_packet_changes_its_chain():
    step, plan, seen = phases(OLD["b"], NEW["b"]), None, []
    for file in (OLD["b"], step.prepare, step.switch, step.retire):
        plan = compile_plan(check(write(file), "b.yml", CATALOGUE, NODES["b"]), plan)
        seen.append({(one.name, one.path, str(one.egress)): one.id for one in plan.chains})
    for before, after in pairwise(seen):
        assert all(after[key] == before[key] for key in before.keys() & after.keys())
    from_links = [{key: one[key] for key in one if key[0] == "web"} for one in seen]
    assert [len(one) for one in from_links] == [1, 2, 2, 1]
    assert from_links[1] == from_links[2] == {**from_links[0], **from_links[3]}


def test_nothing_changes_between_equal_states():
    assert phases(OLD["a"], OLD["a"]).prepare == OLD["a"] == phases(OLD["a"], OLD["a"]).switch


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("left", ["prepare", "switch"])
def test_after_a_rollout_that_was_cut_off_the_next_one_awaits_all_that_may_still_come(node, left):
    third = files("[far]")
    half_way = getattr(phases(OLD[node], NEW[node]), left)
    step = phases(half_way, third[node])
    expected = tags(OLD[node], "match") | tags(NEW[node], "match") | tags(third[node], "match")
    assert tags(step.prepare, "match") == tags(step.switch, "match") == expected
    assert step.retire == third[node]
    for file in (step.prepare, step.switch):
        check(write(file), "node.yml", CATALOGUE, NODES[node])

# SPDX-License-Identifier: BSD-3-Clause
"""What a lab becomes on its nodes, and what is refused."""

from __future__ import annotations

from textwrap import dedent

import pytest

from onvm_runtime.chains import Catalogue, SpecError, check, compile_plan
from onvm_runtime.chains.document import write
from onvm_runtime.lab import compile_lab, load
from onvm_runtime.lab.lanes import lanes
from onvm_runtime.lab.routing import Routing

NODES = {
    "a": ("client", "east", "south"),
    "b": ("west", "east"),
    "c": ("west", "south", "server"),
    "d": ("alone",),
}
GROUPS = {"middle": ("b", "c"), "all": tuple(NODES)}

LINKS = """
links:
  ab: {ends: [{node: a, port: east}, {node: b, port: west}]}
  bc: {ends: [{node: b, port: east}, {node: c, port: west}]}
services:
  filter: {nf: forward, on: a}
  watch: {nf: forward, on: middle}
  relay: {nf: forward, on: [b, c]}
  last: {nf: forward, on: c}
"""
ENDS = "ingress: {node: a, port: client}, egress: {node: c, port: server}"

CATALOGUE = Catalogue.load(
    [("forward/nf.yml", "{name: forward, summary: Passes on., parameters: {type: object}}")]
)


def lab(chains: str, start: str = LINKS):
    return load(dedent(start) + dedent(chains), "lab.yml", NODES, GROUPS)


def parts(text: str) -> dict[str, dict[str, tuple[object, ...]]]:
    """Name, path and ways in and out of every chain, by node; tags without their path ids."""
    return {
        node: {chain["name"]: _short(chain) for chain in file["chains"]}
        for node, file in compile_lab(lab(text)).items()
    }


def _short(chain):
    ways = [*chain.get("match", []), chain.get("egress")]
    return (*(_way(way) for way in ways), chain.get("path", chain.get("lanes")))


def _way(way):
    if isinstance(way, dict) and "link" in way:
        return f"{way['link']}/{way['index']}"
    return way["port"] if isinstance(way, dict) else way


# (what it shows, the chains, the parts on every node)
COMPILED = [
    (
        "a chain of one node stays there",
        "chains: [{name: web, ingress: {node: a, port: client}, path: [filter], "
        "egress: {node: a, port: south}}]",
        {"a": {"web": ("client", "south", ["filter"])}, "b": {}, "c": {}, "d": {}},
    ),
    (
        "each service takes one off the index; a node between passes packets on",
        f"chains: [{{name: web, {ENDS}, path: [filter, last]}}]",
        {
            "a": {"web": ("client", "ab/254", ["filter"])},
            "b": {"web": ("ab/254", "bc/254", [])},
            "c": {"web": ("bc/254", "server", ["last"])},
            "d": {},
        },
    ),
    (
        "a way back has the path turned round, and is named where the lab is left",
        f"chains: [{{name: web, {ENDS}, path: [filter, last], bidirectional: true}}]",
        {
            "a": {
                "web": ("client", "ab/254", ["filter"]),
                "web-back": ("ab/254", "client", ["filter"]),
            },
            "b": {"web": ("ab/254", "bc/254", []), "web-back": ("bc/254", "ab/254", [])},
            "c": {
                "web": ("bc/254", "server", ["last"]),
                "web-back": ("server", "bc/254", ["last"]),
            },
            "d": {},
        },
    ),
    (
        "replicas on two nodes make two lanes, and services of the same nodes stay together",
        f"chains: [{{name: web, {ENDS}, path: [watch, relay]}}]",
        {
            "a": {
                "web-1": ("ab/255", []),
                "web-2": ("ab/255", []),
                "web": ("client", None, ["web-1", "web-2"]),
            },
            "b": {
                "web-1": ("ab/255", "bc/253", ["watch", "relay"]),
                "web-2": ("ab/255", "bc/255", []),
            },
            "c": {
                "web-1": ("bc/253", "server", []),
                "web-2": ("bc/255", "server", ["watch", "relay"]),
            },
            "d": {},
        },
    ),
    (
        "a path may name one node of several, and pass a node twice",
        f"chains: [{{name: web, {ENDS}, path: [filter, watch@b, last]}}, "
        "{name: loop, ingress: {node: b, port: east}, egress: {node: a, port: south}, "
        "path: [relay@b, filter, watch@b, last]}]",
        None,
    ),
]


@pytest.mark.parametrize(
    ("chains", "expected"), [case[1:] for case in COMPILED], ids=[case[0] for case in COMPILED]
)
def test_parts_of_chains_on_nodes(chains, expected):
    found = parts(chains)
    assert expected is None or found == expected


@pytest.mark.parametrize("chains", [case[1] for case in COMPILED], ids=[c[0] for c in COMPILED])
def test_every_file_is_a_right_chains_file_and_gives_a_plan(chains):
    for node, file in compile_lab(lab(chains)).items():
        spec = check(write(file), f"{node}.yml", CATALOGUE, NODES[node])
        plan = compile_plan(spec, None)
        assert type(plan).from_json(plan.to_json()) == plan


def test_what_leaves_one_node_is_what_another_waits_for():
    files = compile_lab(lab(COMPILED[3][1]))
    sent = {_tag(one["egress"]) for file in files.values() for one in file["chains"]
            if isinstance(one.get("egress"), dict)}  # fmt: skip
    awaited = {_tag(match) for file in files.values() for one in file["chains"]
               for match in one.get("match", []) if "link" in match}  # fmt: skip
    assert sent == awaited
    assert len(sent) == 4


def _tag(tag):
    return tag["link"], tag["path_id"], tag["index"]


def test_a_lane_keeps_its_path_id_until_it_changes():
    def path_ids(chains):
        described = lab(chains)
        return [lane.path_id for lane in lanes(described, described.chains[0], back=False)]

    first = path_ids(f"chains: [{{name: web, {ENDS}, path: [filter, last]}}]")
    other_match = f"chains: [{{name: web, {ENDS}, match: {{vlan: 5}}, path: [filter, last]}}]"
    other_path = f"chains: [{{name: web, {ENDS}, path: [filter, relay@c, last]}}]"
    assert path_ids(other_match) == first
    assert path_ids(other_path) != first


def test_a_backup_takes_the_place_of_all_lanes():
    text = (
        f"chains: [{{name: web, {ENDS}, path: [watch], bidirectional: true, backup: spare}},"
        f"{{name: spare, {ENDS}, bidirectional: true}}]"
    )
    files = compile_lab(lab(text))
    spreads = {(node, chain["name"]): chain for node, file in files.items()
               for chain in file["chains"] if "lanes" in chain}  # fmt: skip
    assert set(spreads) == {("a", "web"), ("c", "web-all-back")}
    assert spreads["a", "web"]["backup"] == ["spare-1"]
    assert spreads["c", "web-all-back"]["backup"] == ["spare-1-back"]
    assert spreads["c", "web-all-back"]["way_back"]


def test_on_a_link_of_vlans_a_lane_is_a_vlan():
    start = LINKS.replace("port: east}, {node: b", "port: east}, {node: b").replace(
        "{node: b, port: west}]}", "{node: b, port: west}], encapsulation: vlan}"
    )
    files = compile_lab(lab(f"chains: [{{name: web, {ENDS}, path: [filter]}}]", start))
    exit = files["a"]["chains"][0]["egress"]
    assert 2 <= exit["path_id"] <= 4094
    assert "index" not in exit
    assert files["b"]["chains"][0]["match"] == [exit]


def test_the_shortest_way_is_taken_and_always_the_same():
    described = lab("chains: []", LINKS.replace("services:", (
        "  ac: {ends: [{node: a, port: south}, {node: c, port: south}]}\nservices:"
    )))  # fmt: skip
    routing = Routing(described.links)
    assert routing.links_between("a", "c") == ["ac"]
    assert routing.links_between("b", "a") == ["ab"]
    assert not routing.joined("a", "d")


# (what is wrong, the chains or the whole lab, key, part of the message)
WRONG = [
    ("an unknown node", "chains: [{name: w, ingress: {node: x, port: p}, egress: {node: c, port: "
     "server}}]", "chains[0].ingress.node", "no node 'x'"),
    ("an unknown port", "chains: [{name: w, ingress: {node: a, port: clint}, egress: {node: c, "
     "port: server}}]", "chains[0].ingress.port", "did you mean 'client'?"),
    ("an unknown service", f"chains: [{{name: w, {ENDS}, path: [fliter]}}]", "chains[0].path[0]",
     "did you mean 'filter'?"),
    ("an unknown place", f"chains: [{{name: w, {ENDS}, path: [filter@mars]}}]",
     "chains[0].path[0]", "no node or group 'mars'"),
    ("a service elsewhere", f"chains: [{{name: w, {ENDS}, path: [filter@b]}}]",
     "chains[0].path[0]", "filter does not run on b"),
    ("no way", "chains: [{name: w, ingress: {node: a, port: client}, egress: {node: d, port: "
     "alone}}]", "chains[0].egress", "no links lead from a to d"),
    ("a chain twice", f"chains: [{{name: w, {ENDS}}}, {{name: w, {ENDS}}}]", "chains[1].name",
     "is there twice"),
    ("an unknown backup", f"chains: [{{name: w, {ENDS}, backup: v}}]", "chains[0].backup",
     "no chain 'v'"),
    ("a backup that leaves elsewhere", f"chains: [{{name: w, {ENDS}, backup: v}}, {{name: v, "
     "ingress: {node: a, port: client}, egress: {node: b, port: east}}]", "chains[0].backup",
     "another ingress or egress"),
    ("a name that is too long", f"chains: [{{name: {'w' * 20}, {ENDS}}}]", "chains[0].name",
     "at most 19 fit"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("chains", "key", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_a_wrong_lab_is_refused_with_its_place(chains, key, message):
    with pytest.raises(SpecError) as refused:
        lab(chains)
    assert any(
        problem.key == key and message in problem.message for problem in refused.value.problems
    ), str(refused.value)


WRONG_LINKS = [
    ("one end", "links: {ab: {ends: [{node: a, port: east}]}}", "links.ab.ends", "two ends"),
    ("both ends at one node", "links: {aa: {ends: [{node: a, port: east}, {node: a, port: "
     "south}]}}", "links.aa.ends", "at one node"),
    ("a routed link without addresses", "links: {ab: {encapsulation: vxlan-gpe, ends: [{node: a, "
     "port: east}, {node: b, port: west}]}}", "links.ab.ends[0]", "needs an address"),
    ("an address where none is used", "links: {ab: {ends: [{node: a, port: east, address: "
     "198.18.0.1/24}, {node: b, port: west}]}}", "links.ab.ends[0]", "remove it"),
    ("an address that is none", "links: {ab: {ends: [{node: a, port: east, address: nowhere}, "
     "{node: b, port: west}]}}", "links.ab.ends[0].address", "must be an IPv4 address"),
    ("a port with two uses", "links: {ab: {ends: [{node: a, port: east}, {node: b, port: west}]}, "
     "ac: {ends: [{node: a, port: east}, {node: c, port: west}]}}", "links.ab.ends[0]",
     "the end of another link"),
    ("a service nowhere", "services: {filter: {nf: forward}}", "services.filter", "needs the key"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "message"), [c[1:] for c in WRONG_LINKS], ids=[c[0] for c in WRONG_LINKS]
)
def test_wrong_links_and_services_are_refused(text, key, message):
    with pytest.raises(SpecError) as refused:
        load(text, "lab.yml", NODES, GROUPS)
    assert any(
        problem.key == key and message in problem.message for problem in refused.value.problems
    ), str(refused.value)

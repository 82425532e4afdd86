# SPDX-License-Identifier: BSD-3-Clause
"""Specs in, plan requests out; and ids that never mean two things at once."""

from __future__ import annotations

import json
from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onvm_runtime.chains import Chain, LabSpec, Match, OutOfIds, Plan, compile_plan, instances, load

SERVICES = """\
services:
  firewall: {nf: firewall, replicas: 2, parameters: {default: drop}, to: [scrubber]}
  scrubber: {nf: forward}
  nat: {nf: nat}
"""

# (what it shows, the chains part of the YAML, the request)
REQUESTS = [
    (
        "nothing",
        "",
        {"chains": [], "rules": []},
    ),
    (
        "a wire that is the default",
        """\
        chains:
          - {name: wire, egress: server}
        default: wire
        """,
        {
            "chains": [{"id": 1, "name": "wire", "path": [], "egress": "server"}],
            "rules": [],
            "default_chain": 1,
        },
    ),
    (
        "every field of a match, in numbers",
        """\
        chains:
          - name: web
            match:
              port: client
              vlan: 5
              source_mac: 02-00-00-00-00-0A
              destination_mac: 10:20:30:40:50:59
              source: 198.18.0.0/24
              destination: 198.18.1.1
              protocol: tcp
              source_ports: 1024-65535
              destination_ports: 80
            priority: 100
            path: [firewall]
            egress: server
        """,
        {
            "chains": [{"id": 1, "name": "web", "path": ["firewall"], "egress": "server"}],
            "rules": [
                {
                    "chain": 1,
                    "priority": 100,
                    "port": "client",
                    "vlan": 5,
                    "ethertype": 0x0800,
                    "src_mac": "02:00:00:00:00:0a",
                    "dst_mac": "10:20:30:40:50:59",
                    "src": "198.18.0.0/24",
                    "dst": "198.18.1.1/32",
                    "protocol": 6,
                    "src_ports": [1024, 65535],
                    "dst_ports": [80, 80],
                }
            ],
        },
    ),
    (
        "a way back: path reversed, sources and destinations swapped, ICMPv6 is IPv6",
        """\
        chains:
          - name: web
            match:
              - {port: client, source_mac: 02:00:00:00:00:01, source: 2001:db8::/64,
                 protocol: udp, destination_ports: 53}
              - {port: client, protocol: icmpv6}
            path: [firewall, nat]
            egress: server
            bidirectional: true
        """,
        {
            "chains": [
                {
                    "id": 1,
                    "name": "web",
                    "path": ["firewall", "nat"],
                    "egress": "server",
                    "reverse": 2,
                },
                {"id": 2, "name": "web", "path": ["nat", "firewall"], "egress": "client"},
            ],
            "rules": [
                {
                    "chain": 1,
                    "priority": 0,
                    "port": "client",
                    "ethertype": 0x86DD,
                    "src_mac": "02:00:00:00:00:01",
                    "src": "2001:db8::/64",
                    "protocol": 17,
                    "dst_ports": [53, 53],
                },
                {
                    "chain": 1,
                    "priority": 0,
                    "port": "client",
                    "ethertype": 0x86DD,
                    "protocol": 58,
                },
                {
                    "chain": 2,
                    "priority": 0,
                    "port": "server",
                    "ethertype": 0x86DD,
                    "dst_mac": "02:00:00:00:00:01",
                    "dst": "2001:db8::/64",
                    "protocol": 17,
                    "src_ports": [53, 53],
                },
                {
                    "chain": 2,
                    "priority": 0,
                    "port": "server",
                    "ethertype": 0x86DD,
                    "protocol": 58,
                },
            ],
        },
    ),
    (
        "a written match goes before a way back, and stands for it where they are the same",
        """\
        chains:
          - {name: out, match: {port: client}, egress: server, bidirectional: true}
          - {name: in, match: {port: server}, path: [firewall], egress: client}
        """,
        {
            "chains": [
                {"id": 1, "name": "out", "path": [], "egress": "server", "reverse": 2},
                {"id": 2, "name": "out", "path": [], "egress": "client"},
                {"id": 3, "name": "in", "path": ["firewall"], "egress": "client"},
            ],
            "rules": [
                {"chain": 1, "priority": 0, "port": "client"},
                {"chain": 3, "priority": 0, "port": "server"},
            ],
        },
    ),
]


def read(chains: str) -> LabSpec:
    return load(SERVICES + dedent(chains), "lab.yml")


@pytest.mark.parametrize(
    ("chains", "request_"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_request(chains, request_):
    assert compile_plan(read(chains), None).request() == request_


def test_instances_are_numbered_from_one():
    assert [(i.name, i.service, i.nf, i.branches) for i in instances(read(""))] == [
        ("firewall-1", "firewall", "firewall", ("scrubber",)),
        ("firewall-2", "firewall", "firewall", ("scrubber",)),
        ("scrubber-1", "scrubber", "forward", ()),
        ("nat-1", "nat", "nat", ()),
    ]
    assert instances(read(""))[0].parameters == {"default": "drop"}


WEB = Chain(
    name="web",
    egress="server",
    path=("firewall",),
    match=(Match(port="client"),),
    bidirectional=True,
)

# (what changes, the changed chain, whether it keeps its id)
CHANGES = [
    ("nothing", WEB, True),
    ("match", replace(WEB, match=(Match(port="client", vlan=3),)), True),
    ("priority", replace(WEB, priority=9), True),
    ("path", replace(WEB, path=("firewall", "nat")), False),
    ("egress", replace(WEB, egress="uplink"), False),
    ("the port it comes back by", replace(WEB, match=(Match(port="lan"),)), False),
    ("direction", replace(WEB, bidirectional=False), False),
    ("name", replace(WEB, name="www"), False),
]


@pytest.mark.parametrize(
    ("chain", "keeps"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_a_chain_keeps_its_id_while_packets_are_treated_the_same(chain, keeps):
    first = compile_plan(LabSpec(chains=(WEB,)), None)
    second = compile_plan(LabSpec(chains=(chain,)), first)
    before, after = (plan.chains[0].id for plan in (first, second))
    assert (before == after) == keeps


def test_order_of_chains_changes_no_rule_of_a_way_back():
    other = replace(WEB, name="lan", match=(Match(port="lan"),))
    plan = compile_plan(LabSpec(chains=(WEB, other)), None)
    turned = compile_plan(LabSpec(chains=(other, WEB)), plan)
    assert plan.rules[-1:] == turned.rules[-1:]


def test_ids_go_round_before_one_is_used_again():
    plan, seen = None, []
    for n in range(1023):
        plan = compile_plan(LabSpec(chains=(Chain(f"c{n}", "server"),)), plan)
        seen.append(plan.chains[0].id)
    assert seen == list(range(1, 1024))
    again = compile_plan(LabSpec(chains=(Chain("next", "server"),)), plan, draining=[1, 2])
    assert again.chains[0].id == 3


def test_says_so_when_every_id_drains():
    with pytest.raises(OutOfIds, match="have drained"):
        compile_plan(LabSpec(chains=(WEB,)), None, draining=range(1, 1024))


names = st.sampled_from(["a", "b", "c", "d"])
ports = st.sampled_from(["p", "q", "r"])
chains = st.builds(
    Chain,
    name=names,
    egress=ports,
    path=st.lists(names, max_size=3, unique=True).map(tuple),
    match=ports.map(lambda port: (Match(port=port),)),
    bidirectional=st.booleans(),
)
specs = st.lists(chains, max_size=4, unique_by=lambda chain: chain.name).map(
    lambda found: LabSpec(chains=tuple(found))
)


@given(st.lists(st.tuples(specs, st.booleans()), max_size=12))
def test_no_id_means_two_things_at_once(steps):
    """However specs follow one another, and whenever old chains have drained."""
    plan, alive = None, {}
    for spec, drained in steps:
        in_force = set() if plan is None else {chain.id for chain in plan.chains}
        if drained:
            alive = {id_: chain for id_, chain in alive.items() if id_ in in_force}
        plan = compile_plan(spec, plan, draining=set(alive) - in_force)
        for chain in plan.chains:
            assert 1 <= chain.id <= 1023
            assert alive.setdefault(chain.id, chain) == chain
        assert len({chain.id for chain in plan.chains}) == len(plan.chains)


@given(specs)
def test_the_same_spec_again_is_the_same_plan(spec):
    plan = compile_plan(spec, None)
    assert compile_plan(spec, plan) == plan


@given(specs)
def test_a_kept_plan_comes_back_whole(spec):
    plan = compile_plan(spec, None)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"chains": [], "rules": []},
        {"chains": [{"id": 1}], "rules": [], "last_id": 1},
        {
            "chains": [{"id": 1, "name": "a", "path": [], "egress": "p", "reverse": 2}],
            "rules": [],
            "last_id": 1,
        },
    ],
)
def test_something_else_is_no_kept_plan(value):
    with pytest.raises(ValueError, match="not a plan that was kept"):
        Plan.from_json(value)

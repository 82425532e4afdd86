# SPDX-License-Identifier: BSD-3-Clause
"""What a good chains file and catalogue say, and that limits agree with the ABI."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from onvm_runtime.chains import (
    Catalogue,
    Chain,
    LabSpec,
    Match,
    Problem,
    Service,
    SpecError,
    dump,
    limits,
    load,
)
from onvm_runtime.chains.values import PROTOCOLS

LAB = """\
services:
  firewall:
    nf: firewall
    replicas: 2
    parameters:
      answer: no         # text: words of YAML 1.1 mean nothing
      clock: 12:30:45    # text too, not a number to the base of 60
      mask: 0xff
      ratio: 1.5
      nothing: ~
      rules: [{verdict: accept}, 80]
    to: [scrubber]
  scrubber: {nf: forward}
chains:
  - name: web
    match: {port: client, ethertype: ipv6, protocol: 17, source_ports: 5 - 7}
    priority: 100
    path: [firewall]
    egress: server
    bidirectional: true
  - name: rest
    egress: server
default: rest
"""


def test_reads_every_key():
    assert load(LAB, "lab.yml") == LabSpec(
        services={
            "firewall": Service(
                "firewall",
                "firewall",
                2,
                {
                    "answer": "no",
                    "clock": "12:30:45",
                    "mask": 255,
                    "ratio": 1.5,
                    "nothing": None,
                    "rules": [{"verdict": "accept"}, 80],
                },
                ("scrubber",),
            ),
            "scrubber": Service("scrubber", "forward"),
        },
        chains=(
            Chain(
                "web",
                "server",
                ("firewall",),
                (Match("client", ethertype=0x86DD, protocol=17, source_ports=(5, 7)),),
                100,
                True,
            ),
            Chain("rest", "server"),
        ),
        default="rest",
    )


def test_a_spec_describes_itself_in_the_words_of_the_file():
    match = Match("client", source=ip_network("198.18.0.0/24"), source_ports=(5, 7), protocol=6)
    assert match.to_json() == {
        "port": "client",
        "source": "198.18.0.0/24",
        "protocol": 6,
        "source_ports": "5-7",
    }
    assert load(LAB, "lab.yml").to_json()["chains"][1] == {
        "name": "rest",
        "match": [],
        "priority": 0,
        "path": [],
        "egress": "server",
        "bidirectional": False,
    }


words = st.text() | st.sampled_from(
    ["no", "0o17", "1e5", "0x1f", "~", "5", "a: b", "12:30", "\x85"]
)
parameters = st.dictionaries(
    words,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**17), 10**17) | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


@given(parameters)
def test_what_is_dumped_is_loaded(found):
    lab = load(LAB, "lab.yml")
    services = {**lab.services, "extra": Service("extra", "x", parameters=found)}
    spec = replace(lab, services=services)
    assert load(dump(spec), "dumped.yml") == spec


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("services.firewall.parameters.rules[0].verdict", 11),
        ("chains[0].match.port", 16),
        ("chains[0].match.vlan", 16),  # not written: the line of the match
        ("nowhere", 1),
    ],
)
def test_a_spec_knows_its_lines(key, line):
    assert load(LAB, "lab.yml").places.line(key) == line


def test_an_alias_is_what_it_names():
    spec = load("services:\n  a: &a {nf: x, parameters: &p {n: 1}}\n  b: *a\n", "lab.yml")
    assert spec.services["b"] == Service("b", "x", parameters={"n": 1})


def test_aliases_of_aliases_are_bounded():
    lines = ["services:", "  a0: &a0 {nf: x}"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SpecError, match=r"more than 200,000 values"):
        load("\n".join(lines), "lab.yml")


def read_or_refuse(text: str) -> LabSpec | list[Problem]:
    try:
        return load(text, "lab.yml")
    except SpecError as error:
        return error.problems


@given(st.text())
def test_any_text_is_read_or_refused(text):
    assert read_or_refuse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_value_is_read_or_refused(value):
    lab = {"services": value, "chains": [value], "default": value}
    assert read_or_refuse(yaml.safe_dump(lab))


@pytest.mark.parametrize(
    ("text", "key", "fragment"),
    [
        ("name: x\nparameters: {}\n", "", "needs the key 'summary'"),
        ("{name: x, summary: s, parameters: {type: objekt}}", "parameters", "not a JSON Schema"),
        ("{name: X, summary: s, parameters: {}}", "name", "is not a name"),
        ("{name: x, summary: s, parameters: {}, image: y}", "image", "unknown key"),
        ("", "", "the file is empty"),
    ],
)
def test_catalogue_refuses_entries_that_are_none(text, key, fragment):
    with pytest.raises(SpecError) as refused:
        Catalogue.load([("x/nf.yml", text)])
    assert [(p.file, p.key) for p in refused.value.problems] == [("x/nf.yml", key)]
    assert fragment in refused.value.problems[0].message


def test_catalogue_refuses_a_name_twice():
    entry = "{name: x, summary: s, parameters: {}}"
    with pytest.raises(SpecError, match=r"b/nf.yml:1: name: NF 'x' is defined twice"):
        Catalogue.load([("a/nf.yml", entry), ("b/nf.yml", entry)])


@pytest.mark.parametrize(
    ("define", "limit"),
    [
        ("NAME_MAX", limits.NAME + 1),
        ("MAX_CHAINS", limits.CHAIN_IDS.stop),
        ("MAX_HOPS", limits.HOPS),
        ("MAX_BRANCHES", limits.BRANCHES),
        ("MAX_NFS", limits.INSTANCES),
        ("MAX_SERVICES", limits.SERVICES),
    ],
)
def test_limits_are_those_of_the_abi(checkout, define, limit):
    header = (checkout / "onvm_runtime/native/protocol/abi.h").read_text()
    found = re.search(rf"^#define ONVM_{define} (\d+)", header, re.MULTILINE)
    assert found
    assert int(found[1]) == limit


def test_protocol_numbers_are_those_of_the_system():
    assert {name: getattr(socket, f"IPPROTO_{name.upper()}") for name in PROTOCOLS} == dict(
        PROTOCOLS
    )

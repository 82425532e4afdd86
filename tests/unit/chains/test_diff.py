# SPDX-License-Identifier: BSD-3-Clause
"""Two specs in, what changes between them out."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from onvm_runtime.chains import diff, load

BASE = """\
services:
  firewall: {nf: firewall, parameters: {default: drop}}
  nat: {nf: nat}
chains:
  - {name: web, match: {port: client}, path: [firewall, nat], egress: server}
default: web
"""

# (what changes, the new YAML, [(kind, name, action, before, after)])
CASES = [
    ("nothing", BASE, []),
    (
        "only comments and order of keys",
        "# hello\n" + BASE.replace("nf: nat", "replicas: 1, nf: nat"),
        [],
    ),
    (
        "replicas and a parameter",
        BASE.replace("{default: drop}", "{default: accept}").replace(
            "nf: nat", "nf: nat, replicas: 3"
        ),
        [
            (
                "service",
                "firewall",
                "changed",
                {"parameters": {"default": "drop"}},
                {"parameters": {"default": "accept"}},
            ),
            ("service", "nat", "changed", {"replicas": 1}, {"replicas": 3}),
        ],
    ),
    (
        "a service less, a path shorter, no default",
        """\
        services:
          firewall: {nf: firewall, parameters: {default: drop}}
        chains:
          - {name: web, match: {port: client}, path: [firewall], egress: server}
        """,
        [
            (
                "service",
                "nat",
                "removed",
                {"nf": "nat", "replicas": 1, "parameters": {}, "to": []},
                {},
            ),
            ("chain", "web", "changed", {"path": ["firewall", "nat"]}, {"path": ["firewall"]}),
            ("default", "default", "removed", {"chain": "web"}, {}),
        ],
    ),
    (
        "a chain by another name",
        BASE.replace("name: web", "name: www").replace("default: web", "default: www"),
        [
            (
                "chain",
                "www",
                "added",
                {},
                {
                    "match": [{"port": "client"}],
                    "priority": 0,
                    "path": ["firewall", "nat"],
                    "egress": "server",
                    "bidirectional": False,
                },
            ),
            (
                "chain",
                "web",
                "removed",
                {
                    "match": [{"port": "client"}],
                    "priority": 0,
                    "path": ["firewall", "nat"],
                    "egress": "server",
                    "bidirectional": False,
                },
                {},
            ),
            ("default", "default", "changed", {"chain": "web"}, {"chain": "www"}),
        ],
    ),
]


@pytest.mark.parametrize(
    ("text", "changes"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_diff(text, changes):
    found = diff(load(BASE, "old.yml"), load(dedent(text), "new.yml"))
    assert [(c.kind, c.name, c.action, c.before, c.after) for c in found] == changes


def test_everything_is_new_where_nothing_was():
    found = diff(None, load(BASE, "new.yml"))
    assert [(c.kind, c.name, c.action) for c in found] == [
        ("service", "firewall", "added"),
        ("service", "nat", "added"),
        ("chain", "web", "added"),
        ("default", "default", "added"),
    ]


def test_changes_are_json():
    changes = [change.to_json() for change in diff(None, load(BASE, "new.yml"))]
    assert json.loads(json.dumps(changes)) == changes

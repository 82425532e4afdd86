# SPDX-License-Identifier: BSD-3-Clause
"""A chain of a lab, from node to node."""

from __future__ import annotations

import pytest

from onvm_runtime.lab import compile_lab, load
from onvm_runtime.lab.visits import belongs_to, visits

LAB = """
links:
  ab: {ends: [{node: a, port: b}, {node: b, port: a}]}
  bc: {ends: [{node: b, port: c}, {node: c, port: b}]}
services:
  near: {nf: forward, on: a}
  far: {nf: forward, on: c}
  both: {nf: forward, on: [b, c]}
chains:
  - {name: web, ingress: {node: a, port: in}, path: [near, far], egress: {node: c, port: out},
     bidirectional: true}
  - {name: web2, ingress: {node: a, port: in}, match: {protocol: udp}, path: [both, near],
     egress: {node: c, port: out}}
"""
PORTS = {"a": ("in", "b"), "b": ("a", "c"), "c": ("b", "out")}


@pytest.mark.parametrize(
    ("chain", "names"),
    [
        ("web", ["a web", "b web", "c web", "c web-back", "b web-back", "a web-back"]),
        ("web2", ["a web2-1", "b web2-1", "a web2-1-s2", "b web2-1-s2", "c web2-1",
                  "a web2-2", "b web2-2", "c web2-2", "b web2-2-s2", "a web2-2-s2",
                  "b web2-2-s3", "c web2-2-s2"]),
        ("none", []),
    ],
)  # fmt: skip
def test_parts_come_in_the_order_of_a_packet(chain: str, names: list[str]) -> None:
    files = compile_lab(load(LAB, "lab.yml", PORTS, {}))
    assert [f"{node} {name}" for node, name in visits(files, chain)] == names


@pytest.mark.parametrize(
    ("name", "belongs"),
    [("web", True), ("web-1", True), ("web-12-back-s2", True), ("web-back", True),
     ("web-all-back", True), ("web-all", False),
     ("web2", False), ("web-x", False), ("my-web", False)],
)  # fmt: skip
def test_names_of_parts(name: str, belongs: bool) -> None:
    assert belongs_to(name, "web") == belongs

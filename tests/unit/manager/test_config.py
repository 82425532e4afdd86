# SPDX-License-Identifier: BSD-3-Clause
"""node.yml: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from onvm_runtime.chains import SpecError
from onvm_runtime.manager.config import NodeConfig, load, read
from onvm_runtime.manager.dataplane import command

WHOLE = """
node: lab1
dataplane:
  cores: [1, 3]
  buffers: 32768
  hugepages: required
  idle: poll
runtime: docker
nf: {memory: 64m, pids: 16, cpus: "1", user: 65532}
ports:
  - {name: client, kind: af_packet, interface: onvm-client, mtu: 9000}
  - {name: server, kind: tap, interface: onvm-server, netns: server}
  - {name: wire, kind: pci, address: "0000:01:00.0"}
  - {name: file, kind: pcap, receive: /tmp/in.pcap, loop: true}
"""


def test_a_whole_file() -> None:
    config = read(WHOLE, "node.yml")
    assert (config.node, config.dataplane.buffers, config.nf.memory) == ("lab1", 32768, 64 << 20)
    assert [port.request() for port in config.ports] == [
        {"name": "client", "mtu": 9000, "kind": "af_packet", "interface": "onvm-client"},
        {
            "name": "server",
            "mtu": 1500,
            "kind": "tap",
            "interface": "onvm-server",
            "netns": "server",
        },
        {"name": "wire", "mtu": 1500, "kind": "pci", "address": "0000:01:00.0"},
        {"name": "file", "mtu": 1500, "kind": "pcap", "receive": "/tmp/in.pcap", "loop": True},
    ]


def test_an_almost_empty_file_has_defaults() -> None:
    config = read("runtime: process", "node.yml")
    assert config.node
    assert config.dataplane.cores == (0,)
    assert config.ports == ()


def test_the_command_line_of_the_data_plane() -> None:
    words = [str(word) for word in command(read(WHOLE, "node.yml"))]
    assert words[0] == "/opt/onvm/bin/onvm-dataplane"
    pairs = dict(zip(words[1::2], words[2::2], strict=True))
    assert pairs == {
        "--run-dir": "/run/onvm",
        "--cores": "1,3",
        "--buffers": "32768",
        "--buffer-size": "2304",
        "--flows": "65536",
        "--hugepages": "required",
        "--idle": "poll",
        "--pci": "0000:01:00.0",
    }


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("nodes: lab1", 1, "nodes", "unknown key"),
        ("dataplane:\n  core: 1", 2, "dataplane.core", "unknown key"),
        ("dataplane:\n  cores: [1, 2, 1]", 2, "dataplane.cores", "names a CPU twice"),
        ("dataplane:\n  cores: []", 2, "dataplane.cores", "at least 1"),
        ("dataplane: {cores: [0, 1], buffers: 2000}", 1, "dataplane", "each of 2 cores"),
        ("dataplane:\n  cores: [0]\n  buffers: 5", 3, "dataplane.buffers", "greater than"),
        ("dataplane: {buffer_size: 2300}", 1, "dataplane.buffer_size", "multiple of 64"),
        ("dataplane: {hugepages: maybe}", 1, "dataplane.hugepages", "'auto'"),
        ("runtime: podman", 1, "runtime", "'docker'"),
        ("nf:\n  memory: much", 2, "nf.memory", "such as 64m"),
        ("nf: {cpus: one}", 1, "nf.cpus", "such as 1 or 0,2-3"),
        ("nf: {memory: 4m}", 1, "nf.memory", "greater than"),
        ("ports: [{name: a, kind: pci, address: eth0}]", 1, "ports[0].address", "0000:01:00.0"),
        ("ports: [{name: a, kind: tap, interface: a/b}]", 1, "ports[0].interface", "interface"),
        ("nf: {user: 0}", 1, "nf.user", "greater than"),
        ("ports:\n  - {name: a, kind: wifi}", 2, "ports[0]", "kind must be one of"),
        ("ports:\n  - {name: a}", 2, "ports[0]", "kind must be one of"),
        ("ports:\n  - {name: a, kind: tap}", 2, "ports[0].interface", "missing"),
        ("ports:\n  -\n    name: a\n    kind: tap\n    interface: b\n    colour: red", 6,
         "ports[0].colour", "unknown key"),
        ("ports:\n  - {name: A B, kind: 'null'}", 2, "ports[0].name", "must be a name"),
        ("ports:\n  - {name: a, kind: 'null'}\n  - {name: a, kind: 'null'}", 1, "",
         "two ports are called a"),
        ("ports: [}", 1, "", "not YAML"),
        ("", 1, "", "empty"),
        ("[1, 2]", 1, "", "dictionary"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_place(text: str, line: int, key: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(text, "node.yml")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == ("node.yml", line, key)
    assert said in problem.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"node\.yml:1: cannot be read"):
        load(tmp_path / "node.yml")


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        NodeConfig().runtime = "process"  # type: ignore[misc]

# SPDX-License-Identifier: BSD-3-Clause
"""`onvm --inventory`: the managers of a lab through a real SSH server, well or not."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from onvm_runtime.cli.app import run
from onvm_runtime.cli.failure import ExitCode
from tests.dataplane.lab.nodes import LINKS, LabOfNodes
from tests.dataplane.lab.sshd import Sshd
from tests.dataplane.lab.test_links import SERVICES, THROUGH

WITHIN = 2.0  # seconds that each node has


class WholeLab:
    """The command, with an inventory of nodes that SSH reaches, all but b, which is this host."""

    def __init__(self, lab: LabOfNodes, sshd: Sshd, directory: Path) -> None:
        self.lab, self.sshd = lab, sshd
        self._inventory = directory / "hosts.yml"
        self.hosts: dict[str, dict[str, Any]] = {name: self._host(name) for name in lab.nodes}
        self.hosts["b"]["ansible_connection"] = "local"

    def _host(self, name: str) -> dict[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.sshd.port,
            "ansible_user": "{{ who }}",
            "who": "root",
            "ansible_ssh_private_key_file": str(self.sshd.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.sshd.known_hosts}",
            "onvm_chains_socket": str(self.lab.nodes[name].run / "manager.sock"),
        }

    def copy(self, name: str, **variables: Any) -> None:
        """One host more: node a, reached in another way."""
        self.hosts[name] = {**self.hosts["a"], **variables}

    def onvm(self, *arguments: str) -> int:
        self._inventory.write_text(yaml.safe_dump({"nodes": {"hosts": self.hosts}}))
        return run(["-i", str(self._inventory), "--within", str(WITHIN), *arguments])


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    server = Sshd(tmp_path, port)
    yield server
    server.close()


@pytest.fixture
def whole(lab: LabOfNodes, sshd: Sshd, tmp_path: Path) -> WholeLab:
    lab.apply(LINKS["nsh"] + SERVICES + THROUGH)
    lab.until_up()
    return WholeLab(lab, sshd, tmp_path)


def test_a_lab_is_asked_as_one_and_who_does_not_answer_delays_nobody(
    whole: WholeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str, code: int = ExitCode.OK) -> str:
        assert whole.onvm(*arguments) == code, capsys.readouterr()
        return capsys.readouterr().out

    def rows(*arguments: str, code: int = ExitCode.OK) -> list[list[str]]:
        return [line.split() for line in said(*arguments, code=code).splitlines() if line.split()]

    links = rows("link", "ls")
    assert links[0][:4] == ["NODE", "LINK", "NODE", "PORT"]
    assert {tuple(row[:2]) for row in links[2:]} == {
        ("a", "ab"), ("a", "ac"), ("b", "ab"), ("b", "bc"), ("c", "bc"), ("c", "ac"),
    }  # fmt: skip
    status = rows("status")
    assert [row[0] for row in status if row[1:2] == ["running"]] == ["a", "b", "c"]
    answers = json.loads(said("stats", "--json"))
    assert answers["failed"] == {}
    assert list(answers["nodes"]) == ["a", "b", "c"]
    assert rows("--limit", "b,c", "chain", "ls")[2][0] == "b"
    said("latency", "--sample", "3")
    assert [node.get("/v1/latency")["every"] for node in whole.lab.nodes.values()] == [3, 3, 3]

    file = tmp_path / "chains.yml"
    file.write_text("services: {}\nchains: []\n")
    assert "- chain web" in said("chain", "diff", str(file), code=ExitCode.DIFFERENT)
    said("chain", "apply", str(file), code=ExitCode.FAILED)
    said("--limit", "c", "chain", "apply", str(file))
    assert whole.lab.nodes["c"].get("/v1/chains")["chains"] == []

    whole.copy("absent", ansible_port=1)
    whole.copy("another", ansible_ssh_common_args=f"-o UserKnownHostsFile={whole.sshd.others}")
    whole.copy("stranger", ansible_ssh_common_args="-o UserKnownHostsFile=/dev/null")
    whole.copy(
        "unchecked",
        ansible_ssh_common_args="-o UserKnownHostsFile=/dev/null",
        ansible_host_key_checking=False,
    )
    whole.copy("unmanaged", onvm_chains_socket="/run/onvm-none.sock")
    hung = whole.lab.nodes["c"].process
    assert hung is not None
    os.kill(hung.pid, signal.SIGSTOP)
    began = time.monotonic()
    answers = json.loads(said("status", "--json", code=ExitCode.UNREACHABLE))
    assert time.monotonic() - began < 3 * WITHIN, "they were asked one after the other"
    assert list(answers["nodes"]) == ["a", "b", "unchecked"]
    why = {name: failure["error"] for name, failure in answers["failed"].items()}
    assert {name: text for name, text in why.items() if EXPECTED[name] not in text} == {}
    assert "c: no answer: " in said("chain", "ls", code=ExitCode.UNREACHABLE)


EXPECTED = {
    "absent": "Unable to connect to port 1 on 127.0.0.1",
    "another": "its host key is not the one in known_hosts",
    "stranger": "not found in known_hosts",
    "unmanaged": "no manager answers on /run/onvm-none.sock",
    "c": "did not answer within 2 s",
}

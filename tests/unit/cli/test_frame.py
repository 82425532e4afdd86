# SPDX-License-Identifier: BSD-3-Clause
"""How `onvm` begins and ends: usage, failures, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onvm_runtime.cli.app import run
from onvm_runtime.cli.failure import ExitCode
from onvm_runtime.cli.table import cell, short
from onvm_runtime.control import ABI

NODE = """\
catalogue: {catalogue}
ports:
  - {{name: client, kind: 'null'}}
  - {{name: server, kind: 'null'}}
"""
GOOD = """\
services:
  wire: {nf: forward}
chains:
  - {name: web, match: {port: client}, path: [wire], egress: server}
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node.yml with two ports and a catalogue of one NF."""
    entry = tmp_path / "nf" / "forward" / "nf.yml"
    entry.parent.mkdir(parents=True)
    entry.write_text("{name: forward, summary: s, parameters: {additionalProperties: false}}")
    file = tmp_path / "node.yml"
    file.write_text(NODE.format(catalogue=tmp_path / "nf"))
    return file


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A socket on which nobody listens."""
    return str(tmp_path / "none.sock")


def validate(node: Path, text: str, *options: str) -> int:
    file = node.parent / "lab.yml"
    file.write_text(text)
    return run(["chain", "validate", str(file), "--node", str(node), *options])


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["nf", "scale", "web", "none"],
        ["nf", "scale", "web", "0"],
        ["nf", "query", "web-1", "{"],
        ["chain", "apply"],
        ["stats", "--interval", "0"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, nobody, capsys):
    assert run(["--socket", nobody, *arguments]) == ExitCode.USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["nf", "--help"], ["chain", "apply", "--help"], ["-h"]]
)
def test_help_ends_with_0(arguments, capsys):
    assert run(arguments) == ExitCode.OK
    assert "Usage: onvm" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["status"], ["nf", "ls"], ["stats", "--watch"], ["flows"]])
def test_no_manager_ends_with_3_and_says_what_to_do(command, nobody, capsys):
    assert run(["--socket", nobody, *command]) == ExitCode.UNREACHABLE
    said = capsys.readouterr()
    assert said.out == ""
    assert f"no manager answers on {nobody}" in said.err
    assert "Start onvm-manager" in said.err


def test_the_environment_names_the_socket(nobody, monkeypatch, capsys):
    monkeypatch.setenv("ONVM_MANAGER", nobody)
    assert run(["status"]) == ExitCode.UNREACHABLE
    assert nobody in capsys.readouterr().err


def test_a_failure_is_json_too(nobody, capsys):
    assert run(["--socket", nobody, "status", "--json"]) == ExitCode.UNREACHABLE
    assert json.loads(capsys.readouterr().out)["error"] == f"no manager answers on {nobody}"


def test_a_right_file(node, capsys):
    assert validate(node, GOOD) == ExitCode.OK
    assert "is right" in capsys.readouterr().out


def test_a_wrong_file_ends_with_4_and_all_problems(node, capsys):
    wrong = GOOD.replace("nf: forward", "nf: forwrad").replace("egress: server", "egress: sever")
    assert validate(node, wrong) == ExitCode.SPEC_INVALID
    said = capsys.readouterr()
    assert said.out == ""
    assert "lab.yml:2: services.wire.nf: no NF 'forwrad'; did you mean 'forward'?" in said.err
    assert "lab.yml:4: chains[0].egress: no port 'sever'; did you mean 'server'?" in said.err


def test_a_wrong_file_as_json(node, capsys):
    assert validate(node, GOOD.replace("[wire]", "[wre]"), "--json") == ExitCode.SPEC_INVALID
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["line"], problem["key"]) == (4, "chains[0].path[0]")


@pytest.mark.parametrize(
    ("break_it", "code", "fragment"),
    [
        (lambda node: node.unlink(), ExitCode.SPEC_INVALID, "node.yml:1: cannot be read"),
        (lambda node: node.write_text("prts: []"), ExitCode.SPEC_INVALID, "node.yml:1: prts"),
        (
            lambda node: (node.parent / "nf/forward/nf.yml").write_text("name: x"),
            ExitCode.SPEC_INVALID,
            "forward/nf.yml:1: needs the key 'summary'",
        ),
        (
            lambda node: (node.parent / "nf/forward/nf.yml").unlink(),
            ExitCode.FAILED,
            "there is no NF in",
        ),
    ],
    ids=["no node.yml", "wrong node.yml", "wrong catalogue", "empty catalogue"],
)
def test_what_validate_stands_on_is_checked(node, break_it, code, fragment, capsys):
    break_it(node)
    assert validate(node, GOOD) == code
    assert fragment in capsys.readouterr().err


def test_a_file_that_is_not_there(node, capsys):
    assert run(["chain", "validate", "/nowhere/lab.yml", "--node", str(node)]) == ExitCode.FAILED
    assert "cannot read /nowhere/lab.yml" in capsys.readouterr().err


def test_a_file_from_stdin(node, monkeypatch, capsys):
    read, write = os.pipe()
    os.write(write, b"default: x\n")
    os.close(write)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        code = run(["chain", "validate", "-", "--node", str(node)])
    assert code == ExitCode.SPEC_INVALID
    assert "<stdin>:1: default: no chain 'x'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (f"echo onvm-dataplane 0.1.0, ABI {ABI}, DPDK 22.11.11", ExitCode.OK),
        ("exit 1", ExitCode.FAILED),
    ],
    ids=["all is well", "something must be mended"],
)
def test_doctor_examines_this_host_without_a_manager(tmp_path, nobody, program, code, capsys):
    file = tmp_path / "onvm-dataplane"
    file.write_text(f"#!/bin/sh\n{program}\n")
    file.chmod(0o755)
    node = tmp_path / "node.yml"
    node.write_text(f"{{runtime: process, dataplane: {{program: {file}}}}}")
    assert run(["--socket", nobody, "doctor", "--node", str(node), "--json"]) == code
    rows = json.loads(capsys.readouterr().out)
    assert {row["check"] for row in rows} >= {"kernel", "hugepages", "data plane", "running"}
    assert [row["level"] for row in rows if row["check"] == "running"] == ["warn"]


def test_doctor_shows_what_is_wrong_in_node_yml(tmp_path, nobody, capsys):
    node = tmp_path / "node.yml"
    node.write_text("runtime: process\nprts: []\n")
    assert run(["--socket", nobody, "doctor", "--node", str(node)]) == ExitCode.FAILED
    assert "node.yml:2: prts" in capsys.readouterr().out


def onvm(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from onvm_runtime.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_ctrl_c_ends_quietly(tmp_path):
    """A manager that accepts and never answers keeps the command waiting."""
    path = str(tmp_path / "silent.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        process = onvm("--socket", path, "status")
        waiting, _ = listener.accept()
        waiting.recv(1)
        time.sleep(0.5)  # it has sent its request; now it waits
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        waiting.close()
    assert process.returncode == ExitCode.INTERRUPTED
    assert (out, "Traceback" in err) == ("", False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell):
    variables = {"_ONVM_COMPLETE": f"complete_{shell}"}
    words = {"COMP_WORDS": "onvm ch", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "onvm ch",
             "_TYPER_COMPLETE_FISH_ACTION": "get-args"}  # fmt: skip
    out, _ = onvm(**variables, **words).communicate(timeout=20)
    assert "chain" in out


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ("", "-"), ([], "-"), (True, "yes"), (0, "0"), (12345, "12,345"),
     (["a", "b"], "a, b"), ("x", "x")],
)  # fmt: skip
def test_cells(value, text):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (999.7, "1k"), (12345, "12.3k"), (999_999, "1M"),
     (123_456_789, "123M"), (9.87e9, "9.87G"), (1.5e13, "15000G")],
)  # fmt: skip
def test_short_numbers(number, text):
    assert short(number) == text

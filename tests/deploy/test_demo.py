# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration as a user sees it, on this host, from bare to bare.

Runs last: it takes away what ./check provisioned, and deploys everything anew.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy import host, playbook

TEN_MINUTES = 600.0
NODE_CONFIG = Path("/etc/onvm/node.yml")
CHAINS = Path("/etc/onvm/chains.yml")
MANAGER = "/opt/onvm/venv/bin/onvm-manager"

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True)
class Demonstration:
    """A finished run of ./demo --keep."""

    code: int
    output: str
    seconds: float


@pytest.fixture(scope="module")
def bare(checkout: Path) -> dict[str, object]:
    """The host without the testbed."""
    playbook.run(checkout, "playbooks/demo_down.yml", "playbooks/teardown.yml").succeeded()
    return host.look()


@pytest.fixture(scope="module")
def demonstration(checkout: Path, bare: dict[str, object]) -> Iterator[Demonstration]:
    """The demonstration, told to its end and left running."""
    begin = time.monotonic()
    command = [checkout / "demo", "--keep"]
    try:
        told = subprocess.run(
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        yield Demonstration(told.returncode, told.stdout, time.monotonic() - begin)
    finally:
        subprocess.run([checkout / "demo", "down"], check=True)
    assert host.look() == bare


def onvm(*words: str) -> dict:
    result = subprocess.run(["onvm", *words, "--json"], check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def manager_pid() -> int:
    found = subprocess.run(["pgrep", "--full", f"{MANAGER} "], capture_output=True, check=True)
    return max(map(int, found.stdout.split()))  # its supervisor is older


def test_it_keeps_every_promise(demonstration):
    assert demonstration.code == 0, demonstration.output
    kept = re.search(r"^(\d+) of (\d+) promises were kept", demonstration.output, re.MULTILINE)
    assert kept, demonstration.output
    assert kept[1] == kept[2]
    assert int(kept[1]) > 20


def test_it_takes_less_than_ten_minutes(demonstration):
    assert demonstration.seconds < TEN_MINUTES


@pytest.mark.usefixtures("demonstration")
def test_a_second_run_changes_nothing(checkout):
    again = playbook.run(checkout, "site.yml").succeeded()
    assert again.changed == 0, again.output


@pytest.mark.long
@pytest.mark.usefixtures("demonstration")
def test_check_mode_says_so_too(checkout):
    again = playbook.run(checkout, "site.yml", "--check", "--diff").succeeded()
    assert again.changed == 0, again.output


@pytest.mark.usefixtures("demonstration")
def test_check_mode_shows_a_change_and_makes_none(checkout):
    before = NODE_CONFIG.read_text()
    wanted = {"onvm_runtime_nf_limits": {"pids": 17}}
    shown = playbook.run(checkout, "playbooks/runtime.yml", "--check", "--diff", **wanted)
    assert "+  pids: 17" in shown.succeeded().output
    assert shown.changed > 0
    assert NODE_CONFIG.read_text() == before


@pytest.mark.usefixtures("demonstration")
def test_a_changed_configuration_restarts_the_manager_only(checkout):
    before, manager = onvm("status"), manager_pid()
    wanted = {"onvm_runtime_nf_limits": {"pids": 17}}
    playbook.run(checkout, "playbooks/runtime.yml", **wanted).succeeded()
    after = onvm("status")
    assert manager_pid() != manager
    assert after["dataplane"]["pid"] == before["dataplane"]["pid"]
    assert [nf["pid"] for nf in after["nfs"]] == [nf["pid"] for nf in before["nfs"]]


@pytest.mark.usefixtures("demonstration")
def test_a_wrong_argument_is_refused_before_anything_changes(checkout):
    before = NODE_CONFIG.read_text()
    ports = [{"name": "left", "kind": "carrier pigeon"}]
    refused = playbook.run(checkout, "playbooks/runtime.yml", onvm_runtime_ports=ports)
    assert refused.code != 0
    assert "carrier pigeon" in refused.output
    assert NODE_CONFIG.read_text() == before


@pytest.mark.usefixtures("demonstration")
def test_a_wrong_chains_file_changes_nothing(checkout, tmp_path):
    before, text = onvm("chain", "ls"), CHAINS.read_text()
    right, wrong = (checkout / "playbooks/demo/chains.yml").read_text(), tmp_path / "wrong.yml"
    assert "[firewall, monitor, nat]" in right
    wrong.write_text(right.replace("[firewall, monitor, nat]", "[firewall, nowhere]"))
    refused = playbook.run(checkout, "playbooks/chains.yml", onvm_chains_template=str(wrong))
    assert refused.code != 0
    assert "nowhere" in refused.output
    assert onvm("chain", "ls") == before
    assert CHAINS.read_text() == text


@pytest.mark.usefixtures("demonstration")
def test_a_killed_manager_is_started_again():
    before, manager = onvm("status"), manager_pid()
    os.kill(manager, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        again = subprocess.run(["onvm", "status", "--json"], check=False, capture_output=True)
        if again.returncode == 0:
            break
        assert time.monotonic() < deadline, again.stderr
        time.sleep(0.2)
    assert json.loads(again.stdout)["dataplane"]["pid"] == before["dataplane"]["pid"]


@pytest.mark.long
def test_an_interrupted_demonstration_leaves_nothing(checkout, bare):
    playbook.run(checkout, "playbooks/demo_down.yml", "playbooks/teardown.yml").succeeded()
    demo = subprocess.Popen([checkout / "demo"], start_new_session=True)
    deadline = time.monotonic() + TEN_MINUTES
    while not Path(MANAGER).exists():
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.5)
    os.killpg(demo.pid, signal.SIGINT)  # as a terminal's Ctrl-C does
    assert demo.wait(TEN_MINUTES) == 128 + signal.SIGINT
    assert host.look() == bare

# SPDX-License-Identifier: BSD-3-Clause
"""A node is made ready for the capture of its disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy import collections, playbook, systemd_image
from tests.deploy.container import Container

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIFtestkey"
GONE = [
    "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "home/user/.bash_history",
    "root/.ssh/known_hosts", "root/.ssh/onvm_cloudlab", "root/.ssh/onvm_cloudlab.pub", "tmp/a/b",
    "var/lib/dhcp/dhclient.eth0.leases", "var/lib/onvm/state.json",
    "var/lib/systemd/random-seed", "var/log/onvm/nf/filter-1.log", "var/log/syslog",
]  # fmt: skip
STAYS = [
    "etc/ssh/sshd_config", "opt/onvm/bin/onvm-dataplane", "etc/onvm/node.yml",
    "var/lib/onvm/deployment/nic_binding.json", "etc/hostname", "tmp/ansible_x_payload_1/x.zip",
]  # fmt: skip
DROP_IN = "/etc/systemd/system/ssh.service.d/onvm-host-keys.conf"
ONVM = """#!/bin/sh
[ "$1" = chain ] && echo "{\\"chains\\": $(cat /run/chains)}" || echo '{"nfs": []}'
"""


def forget(checkout: Path, *arguments: str) -> list[str]:
    command = [sys.executable, str(checkout / "playbooks/capture/forget.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The disk of a node that was used."""
    for name in (*GONE, *STAYS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "etc/machine-id").write_text("0123\n")
    (tmp_path / "root/.ssh/onvm_cloudlab.pub").write_text(f"ssh-ed25519 {KEY}\n")
    keys = f"ssh-ed25519 AAAAother someone\nssh-ed25519 {KEY}\n"
    (tmp_path / "root/.ssh/authorized_keys").write_text(keys)
    return tmp_path


def test_identities_and_traces_go_and_the_runtime_stays(checkout, root):
    forget(checkout, str(root))
    assert [name for name in GONE if (root / name).exists()] == []
    assert [name for name in STAYS if not (root / name).exists()] == []
    assert (root / "etc/machine-id").read_text() == ""
    assert (root / "root/.ssh/authorized_keys").read_text() == "ssh-ed25519 AAAAother someone\n"


def test_a_dry_run_names_the_same_and_changes_nothing(checkout, root):
    named = forget(checkout, "--dry-run", str(root))
    assert (root / "etc/machine-id").read_text() == "0123\n"
    assert all((root / name).exists() for name in GONE)
    assert forget(checkout, str(root)) == named
    assert forget(checkout, str(root)) == []


@pytest.fixture
def node(checkout: Path) -> Iterator[Container]:
    """A host with systemd, and what the playbook meets on a node."""
    systemd_image.provide(checkout / "build")
    with Container("onvm-capture", systemd_image.SYSTEMD.tag) as node:
        node.write("/opt/onvm/venv/bin/onvm", ONVM, mode="755")
        node.write("/opt/onvm/venv/bin/onvm-manager", "#!/bin/sh\n", mode="755")
        unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
        node.write("/etc/systemd/system/onvm-manager.service", unit)
        node.write("/etc/ssh/ssh_host_rsa_key", "secret")
        node.run("systemctl", "enable", "--now", "onvm-manager")
        yield node
    systemd_image.remove()


def capture(checkout: Path, node: Container, tmp_path: Path, *words: str) -> playbook.Run:
    inventory = tmp_path / "hosts.yml"
    connection = {"ansible_connection": "community.docker.docker", "ansible_become": False}
    inventory.write_text(yaml.safe_dump({"nodes": {"hosts": {node.name: connection}}}))
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(collections.provide(checkout / "build"))
    return playbook.run(checkout, "--inventory", str(inventory), "playbooks/capture.yml", *words)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_playbook_refuses_a_node_in_use_and_prepares_an_idle_one(checkout, node, tmp_path):
    node.write("/run/chains", json.dumps([{"name": "mine"}]))
    refused = capture(checkout, node, tmp_path)
    assert refused.code != 0
    assert "An experiment runs here: chains mine" in refused.output
    assert node.run("systemctl", "is-active", "onvm-manager").strip() == "active"

    node.write("/run/chains", "[]")
    shown = capture(checkout, node, tmp_path, "--check").succeeded()
    assert "/etc/ssh/ssh_host_rsa_key" in shown.output
    assert node.run("cat", "/etc/ssh/ssh_host_rsa_key") == "secret"

    capture(checkout, node, tmp_path).succeeded()
    assert node.run("sh", "-c", "ls /etc/ssh/ssh_host_* 2>/dev/null; cat /etc/machine-id") == ""
    assert node.run("systemctl", "is-enabled", "onvm-manager").strip() == "enabled"
    assert "ssh-keygen -A" in node.run(
        "cat", "/etc/systemd/system/ssh.service.d/onvm-host-keys.conf"
    )

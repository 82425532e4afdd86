# SPDX-License-Identifier: BSD-3-Clause
"""`site.yml --check --diff` on a bare host: it tells what would happen, and nothing does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy import collections, playbook, systemd_image
from tests.deploy.container import Container

VARIABLES = {
    "ansible_connection": "community.docker.docker",
    "ansible_become": False,  # it is root there
    "onvm_runtime_bench": False,
    "onvm_runtime_build_on": "controller",  # the image has no compilers
    "onvm_runtime_ports": [{"name": "wire", "kind": "af_packet", "interface": "eth1"}],
    "onvm_chains_services": {"filter": {"nf": "firewall", "parameters": {"default": "accept"}}},
    "onvm_chains_chains": [
        {"name": "around", "match": {"port": "wire"}, "path": ["filter"], "egress": "wire"}
    ],
}
TOLD = [
    "+vm.nr_hugepages = ", "+af_packet", "/opt/onvm", "onvm-manager.service",
    "+- interface: eth1", "/etc/onvm/chains.yml",
]  # fmt: skip

# Ansible keeps its modules there while they run, and apt an index of the packages it knows.
OWN = re.compile(r"C /root|A /root/\.ansible.*|C /var/cache(/apt)?|A /var/cache/apt/.*")


@pytest.fixture
def host(checkout: Path) -> Iterator[Container]:
    """A host with a node's packages, which knows nothing of the testbed."""
    systemd_image.provide(checkout / "build", systemd_image.NODE)
    with Container("onvm-bare", systemd_image.NODE.tag) as host:
        host.write("/etc/apt/sources.list", "")
        yield host
    systemd_image.remove(systemd_image.NODE)


def run(checkout: Path, host: Container, folder: Path) -> playbook.Run:
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"nodes": {"hosts": {host.name: VARIABLES}}}))
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(collections.provide(checkout / "build"))
    return playbook.run(checkout, "--inventory", str(inventory), "site.yml", "--check", "--diff")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_bare_host_is_told_what_would_change_and_nothing_does(checkout, host, tmp_path):
    before = host.changes()
    shown = run(checkout, host, tmp_path).succeeded()
    new = [line for line in host.changes() if line not in before]
    assert [line for line in new if not OWN.fullmatch(line)] == []
    assert [text for text in TOLD if text not in shown.output] == []
    assert shown.changed > len(TOLD)

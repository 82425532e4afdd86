# SPDX-License-Identifier: BSD-3-Clause
"""The playbooks, and an inventory in which the nodes are this host three times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from onvm_runtime.chains.document import Problems, parse
from tests.dataplane.lab.nodes import LINKS, PORTS, LabOfNodes
from tests.dataplane.plane import DATAPLANE

ROOT = Path(__file__).resolve().parents[3]
ENDS = {
    "ingress": {"node": "a", "port": "client"},
    "egress": {"node": "c", "port": "server"},
}


# Where a node is installed; these are fixed on hosts that are one node.
PLACES = {
    "prefix": "{{ place }}/opt",
    "etc": "{{ place }}",
    "run": "{{ place }}/run",
    "log": "{{ place }}/log",
    "node_config": "{{ node_config }}",
}


class Rollout:
    """Runs playbooks; `describe` writes the inventory."""

    def __init__(self, lab: LabOfNodes, directory: Path) -> None:
        self.lab = lab
        self._inventory = directory / "hosts.yml"
        links = parse(LINKS["nsh"], Problems("links"))
        assert links is not None
        self._links = links.plain()["links"]
        self.describe(["near", "middle", "far"])

    def describe(
        self, path: list[str], nf: str = "forward", parameters: dict[str, Any] | None = None
    ) -> None:
        """Writes the inventory with one chain; `nf` and its parameters are those of `far`."""
        services = {"near": ("a", "forward"), "middle": ("b", "forward"), "far": ("c", nf)}
        nodes = {
            "vars": {
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": sys.executable,
                "onvm_service_manager": "process",
                "onvm_runtime_nf_runtime": "process",
                "onvm_chains_lab_links": self._links,
                "onvm_chains_lab_services": {
                    name: {"nf": kind, "on": node, "parameters": parameters or {}}
                    if name == "far"
                    else {"nf": kind, "on": node}
                    for name, (node, kind) in services.items()
                    if name in path
                },
                "onvm_chains_lab_chains": [
                    {"name": "web", **ENDS, "path": path, "bidirectional": True}
                ],
            },
            "hosts": {name: self._host(name) for name in PORTS},
        }
        self._inventory.write_text(yaml.safe_dump({"all": {"children": {"nodes": nodes}}}))

    def limit(self, link: str, mtu: int | None) -> None:
        """Gives a link another MTU; `describe` writes it."""
        self._links[link].pop("mtu", None)
        if mtu is not None:
            self._links[link]["mtu"] = mtu

    def _host(self, name: str) -> dict[str, Any]:
        node = self.lab.nodes[name]
        return {
            "place": str(node.directory),
            "node_config": yaml.safe_load(node.config.read_text()),
            "onvm_chains_socket": str(node.run / "manager.sock"),
            "onvm_chains_file": str(node.directory / "chains.yml"),
            "onvm_runtime_ports": [{"name": port} for port in PORTS[name]],
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs playbooks/chains.yml."""
        return self.play("chains", *arguments)

    def play(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a playbook, for which each node is installed in a folder of its own."""
        return self._ansible("ansible-playbook", f"playbooks/{name}.yml", *arguments)

    def _ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        places = json.dumps({f"onvm_runtime_{name}": value for name, value in PLACES.items()})
        command = [
            *(Path(sys.executable).parent / program, "-i", self._inventory, "-e", places),
            *arguments,
        ]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def verify(self) -> subprocess.CompletedProcess[str]:
        """Runs playbooks/verify.yml; nothing here starts at boot."""
        return self.play("verify", "--skip-tags", "service")

    def install(self, digest: str) -> None:
        """What the role onvm_runtime would have left in the folders of the nodes."""
        template = "roles/onvm_runtime/templates/node.yml.j2"
        for node in self.lab.nodes.values():
            for folder in ("opt/bin", "opt/src"):
                (node.directory / folder).mkdir(parents=True)
            (node.directory / "opt/bin/onvm-dataplane").symlink_to(DATAPLANE)
            (node.directory / "opt/src/installed").write_text(digest)
        described = self._ansible(
            "ansible",
            "nodes",
            "-m",
            "template",
            "-a",
            f"src={template} dest={{{{ place }}}}/node.yml",
        )
        assert described.returncode == 0, described.stdout

    def texts(self) -> dict[str, str]:
        """What is in force on every node."""
        return {name: node.get("/v1/spec")["text"] for name, node in self.lab.nodes.items()}

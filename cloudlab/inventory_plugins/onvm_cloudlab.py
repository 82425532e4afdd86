# SPDX-License-Identifier: BSD-3-Clause
"""Ansible inventory plugin: the nodes of a CloudLab experiment, from its manifest."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = r"""
name: onvm_cloudlab
short_description: Nodes of a CloudLab experiment
description:
  - Reads the manifest of an experiment (C(geni-get manifest) on any of its nodes).
  - Every node is in the groups C(nodes) and C(hardware_TYPE) and knows its experiment interfaces by
    MAC address, as C(onvm_cloudlab_interfaces). The control NIC is not among them.
  - The links between two nodes are C(onvm_cloudlab_links), for the chains of the lab.
options:
  plugin: {type: str, required: true, choices: [onvm_cloudlab], description: This plugin.}
  manifest:
    {type: str, default: manifest.xml, description: The manifest, beside this file.}
  user: {type: str, description: Who logs in; the manifest says who otherwise.}
author: The onvm authors
"""


def _manifest_reader():
    """Load cloudlab/manifest.py by its place: that folder must not be a place for imports.

    Its profile.py would stand in for the standard library's module of that name.
    """
    path = Path(__file__).resolve().parents[1] / "manifest.py"
    spec = importlib.util.spec_from_file_location("onvm_cloudlab_manifest", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class InventoryModule(BaseInventoryPlugin):
    """What Ansible loads."""

    NAME = "onvm_cloudlab"

    def verify_file(self, path):
        """Whether a file may be a source of this plugin."""
        return super().verify_file(path) and path.endswith(("cloudlab.yml", "cloudlab.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Add the nodes of the manifest."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        reader = _manifest_reader()
        place = Path(path).parent / self.get_option("manifest")
        try:
            manifest = reader.read(place.read_text(encoding="utf-8"))
        except (OSError, reader.ManifestError) as error:
            raise AnsibleParserError(f"{place}: {error}") from error
        self.inventory.add_group("nodes")
        for node in manifest.nodes:
            self._add(node)
        self.inventory.set_variable("nodes", "onvm_cloudlab_links", links(manifest))

    def _add(self, node):
        group = self.inventory.add_group("hardware_" + node.hardware.replace("-", "_"))
        for name in ("nodes", group):
            self.inventory.add_host(node.name, group=name)
        variables = {
            "ansible_host": node.host,
            "ansible_port": node.port,
            "ansible_user": self.get_option("user") or node.user,
            "onvm_cloudlab_hardware": node.hardware,
            "onvm_cloudlab_interfaces": [vars(interface) for interface in node.interfaces],
        }
        for name, value in variables.items():
            self.inventory.set_variable(node.name, name, value)


def links(manifest):
    """Return the links of two nodes in the form of docs/labs.md."""
    found = {}
    for link in manifest.links:
        ends = [manifest.interface(name) for name in link.interfaces]
        if len(ends) == 2 and None not in ends:
            found[link.name] = {
                "ends": [{"node": node.name, "port": port_name(nic)} for node, nic in ends]
            }
    return found


def port_name(interface):
    """Return what a port is called: the request's name without the node's."""
    return interface.name.rpartition(":")[2]

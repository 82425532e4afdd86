# SPDX-License-Identifier: BSD-3-Clause
"""A lab for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.dataplane.lab.nodes import LabOfNodes
from tests.dataplane.manager.wire import Namespace


@pytest.fixture
def lab(directory: Path) -> Iterator[LabOfNodes]:
    """Three nodes whose managers and data planes run; it ends with the test."""
    namespace = Namespace(f"onvm-lab-{os.getpid()}")
    try:
        made = LabOfNodes(directory, namespace)
        try:
            made.start()
            yield made
        finally:
            made.close()
    finally:
        namespace.close()


@pytest.fixture
def inventory(lab: LabOfNodes, tmp_path: Path) -> str:
    """An inventory of the lab's nodes, all on this host."""
    hosts = {
        name: {
            "ansible_connection": "local",
            "onvm_chains_socket": str(node.run / "manager.sock"),
        }
        for name, node in lab.nodes.items()
    }
    file = tmp_path / "hosts.yml"
    file.write_text(yaml.safe_dump({"nodes": {"hosts": hosts}}))
    return str(file)

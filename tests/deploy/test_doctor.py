# SPDX-License-Identifier: BSD-3-Clause
"""`onvm doctor` with a real Docker: it tries a container, and leaves none."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from onvm_runtime.cli.doctor import CHECKS, Host
from onvm_runtime.manager.config import NodeConfig

NAME = "onvm/doctor-test:latest"


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def image(client: docker.DockerClient, tmp_path: Path) -> Iterator[str]:
    """An image like that of an NF: one static program, and nothing else."""
    root = tmp_path / "root"
    root.mkdir()
    source = tmp_path / "nf.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-static", "-o", root / "nf", source], check=True)
    archive = tmp_path / "root.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "nf"], check=True)
    entry = 'ENTRYPOINT ["/nf"]'
    subprocess.run(["docker", "import", "--change", entry, archive, NAME], check=True)
    yield NAME
    client.images.remove(NAME, force=True)


@pytest.mark.usefixtures("image")
def test_a_container_of_an_nf_is_tried_and_removed(client, tmp_path):
    before = {container.id for container in client.containers.list(all=True)}
    found = list(CHECKS["docker"](Host(tmp_path), NodeConfig()))
    assert [finding.level.value for finding in found] == ["ok", "ok"]
    assert "storage driver" in found[0].text
    assert "starts without network and capabilities" in found[1].text
    assert {container.id for container in client.containers.list(all=True)} <= before

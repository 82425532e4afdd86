# SPDX-License-Identifier: BSD-3-Clause
"""Roles on a host with systemd, by molecule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import collections, systemd_image

CONTAINER = "onvm-molecule"
PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


# What a role's scenario boots, where that is not the smallest image.
IMAGES = {"observability": systemd_image.MONITORING} | dict.fromkeys(
    ["chains", "docker", "dpdk", "nf_images", "onvm_runtime", "packages"], systemd_image.NODE
)
ROLES = [
    "boot_parameters", "chains", "cpu_isolation", "docker", "dpdk", "nf_images", "nic_binding",
    "observability", "onvm_runtime", "packages", "preflight",
]  # fmt: skip


# It only reads running managers, which tests/dataplane/lab/test_verify.py has.
ELSEWHERE = ["records"]


@pytest.fixture(scope="module")
def images(checkout: Path) -> Iterator[Images]:
    made = Images(checkout / "build")
    yield made
    made.remove()


class Images:
    """Those that scenarios asked for, made once and removed with the last."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.made: list[systemd_image.Image] = []

    def provide(self, image: systemd_image.Image) -> None:
        """Make sure that Docker has it."""
        if image not in self.made:
            systemd_image.provide(self.build, image)
            self.made.append(image)

    def remove(self) -> None:
        """Take them away."""
        for image in self.made:
            systemd_image.remove(image)


@pytest.fixture
def hugepages() -> Iterator[int]:
    """The machine's pool of 2 MB pages, put back whatever happens."""
    before = int(PAGES.read_text())
    yield before
    PAGES.write_text(str(before))


def run(checkout: Path, role: str, images: Images) -> None:
    """Run the scenario of a role."""
    image = IMAGES.get(role, systemd_image.SYSTEMD)
    images.provide(image)
    environment = {
        "ONVM_MOLECULE_IMAGE": image.name,
        "ONVM_BUILD": str(checkout / "build/native"),
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections.provide(checkout / "build")),
    }
    command = [sys.executable, "-m", "molecule", "test"]
    try:
        subprocess.run(command, cwd=checkout / "roles" / role, env=environment, check=True)
    finally:
        # Molecule removes its container, unless it was interrupted.
        subprocess.run(["docker", "rm", "--force", CONTAINER], check=False, capture_output=True)


def test_every_role_has_a_scenario(checkout):
    roles = {path.parent.parent.name for path in checkout.glob("roles/*/tasks/main.yml")}
    assert roles == {"hugepages", *ROLES, *ELSEWHERE}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_hugepages(checkout, images, hugepages):
    run(checkout, "hugepages", images)
    assert int(PAGES.read_text()) == hugepages


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_works_on_a_host_with_systemd(checkout, images, role):
    run(checkout, role, images)

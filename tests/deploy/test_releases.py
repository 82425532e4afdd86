# SPDX-License-Identifier: BSD-3-Clause
"""Releases on which nodes may run beside this host's: bare hosts become nodes by site.yml, with
their packages, compilers, DPDK and Python, pass packets, keep the native tests, and are bare again.

The hosts are containers with systemd on this host's network, through which they ask the archives of
their release and PyPI. debootstrap makes their images.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy import collections, playbook, systemd_image
from tests.deploy.container import Container, docker
from tests.lab.containers import image as lab_node

KEYRINGS = Path("/usr/share/keyrings")
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_KEYS = f"{UBUNTU}/pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb"
UBUNTU_KEYS_SHA256 = "0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f"
# Whom this host trusts: a mirror may lie behind a proxy. pip has a list of its own else.
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
PIP_CONF = f"[global]\ncert = {TRUSTED}\n"

ENGINE = "etc/systemd/system/docker.service.d/lab.conf"  # lets it have control groups there

VARIABLES = {
    "ansible_connection": "community.docker.docker",
    "ansible_become": False,  # it is root there
    "onvm_hugepages_count": 64,
    "onvm_runtime_bench": False,
    "onvm_runtime_dataplane": {"buffers": 4096, "hugepages": "required"},
    "onvm_runtime_ports": [
        {"name": name, "kind": "pcap", "transmit": "/dev/null"} for name in ("in", "out")
    ],
    "onvm_chains_services": {"filter": {"nf": "firewall", "parameters": {"default": "accept"}}},
    "onvm_chains_chains": [
        {"name": "through", "match": {"port": "in"}, "path": ["filter"], "egress": "out"}
    ],
}

# By what the roles installed.
NATIVE_TESTS = """
cd /src
export PATH=/opt/onvm/venv/bin:$PATH
meson setup build/native -Dtests=true --buildtype=release
ninja -C build/native --quiet
meson test -C build/native --print-errorlogs
"""


@dataclass(frozen=True)
class Release:
    """A release, its DPDK, and where it comes from; `script`: debootstrap's for its like."""

    name: str
    dpdk: str
    mirror: str
    script: str

    @property
    def image(self) -> str:
        """What Docker calls it."""
        return f"onvm-test/release:{self.name}"

    def provide(self, folder: Path) -> None:
        """Give Docker a minimal system that boots systemd; nothing that the roles install."""
        root, packages = folder / "root", f"{systemd_image.SYSTEMD.packages},ca-certificates"
        try:
            run("debootstrap", "--variant=minbase", "--components=main,universe",
                f"--include={packages}", f"--keyring={keyring_of(self, folder)}", self.name, root,
                self.mirror, self.script)  # fmt: skip
            run("tar", "-C", root, "--exclude=./dev/*", "-cf", folder / "root.tar", ".")
            docker("import", str(folder / "root.tar"), self.image)
        finally:  # hundreds of megabytes
            run("rm", "-rf", root, folder / "root.tar")


RELEASES = [
    Release("trixie", "24.11", "http://deb.debian.org/debian", "sid"),
    Release("jammy", "21.11", UBUNTU, "gutsy"),
    Release("noble", "23.11", UBUNTU, "gutsy"),
]


def keyring_of(release: Release, folder: Path) -> Path:
    """Keys of its archive; Debian has no package with those of Ubuntu."""
    if release.mirror != UBUNTU:
        return KEYRINGS / "debian-archive-keyring.gpg"
    package = folder / "keys.deb"
    run("curl", "--fail", "--silent", "--show-error", "--output", package, UBUNTU_KEYS)
    assert hashlib.sha256(package.read_bytes()).hexdigest() == UBUNTU_KEYS_SHA256
    run("dpkg-deb", "--extract", package, folder / "keys")
    return folder / "keys" / KEYRINGS.relative_to("/") / "ubuntu-archive-keyring.gpg"


def run(*command: str | Path) -> None:
    """In a mount namespace of its own, with which all mounts go."""
    result = subprocess.run(
        ["unshare", "--mount", *command], check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-4000:]


@dataclass(frozen=True)
class Site:
    """A host of a release, and the inventory that describes it."""

    checkout: Path
    host: Container
    inventory: Path

    def play(self, name: str) -> playbook.Run:
        """Run a playbook on it."""
        return playbook.run(self.checkout, "--inventory", str(self.inventory), name).succeeded()


@pytest.fixture
def site(
    release: Release, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(collections.provide(checkout / "build")))
    release.provide(tmp_path)
    inventory = tmp_path / "hosts.yml"
    try:
        with Container(f"onvm-{release.name}", release.image, network="host") as host:
            host.write(TRUSTED, Path(TRUSTED).read_text())
            host.write("/etc/pip.conf", PIP_CONF)
            host.write(f"/{ENGINE}", lab_node.files()[ENGINE])
            host.run("apt-get", "update", "--quiet", "--quiet")
            inventory.write_text(yaml.safe_dump({"nodes": {"hosts": {host.name: VARIABLES}}}))
            yield Site(checkout, host, inventory)
    finally:
        docker("image", "rm", release.image)


def keeps_the_native_tests(site: Site, folder: Path) -> None:
    run("git", "clone", "--quiet", site.checkout, folder / "src")
    docker("cp", str(folder / "src"), f"{site.host.name}:/src")
    site.host.run("sh", "-euc", NATIVE_TESTS)


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_a_bare_host_becomes_a_node_and_is_bare_again(
    release: Release, site: Site, tmp_path: Path
) -> None:
    site.play("site.yml")
    assert site.host.run("pkg-config", "--modversion", "libdpdk").startswith(release.dpdk)
    site.host.run("onvm", "chain", "probe", "through")  # fails when it does not arrive
    assert site.play("site.yml").changed == 0
    keeps_the_native_tests(site, tmp_path)
    site.play("playbooks/teardown.yml")
    left = site.host.run("find", "/opt", "/etc", "-maxdepth", "1", "-iname", "*onvm*")
    assert left == ""

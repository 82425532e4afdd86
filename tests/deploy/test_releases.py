# SPDX-License-Identifier: BSD-3-Clause
"""Releases on which nodes may run beside this host's: the data plane is compiled there, from their
compilers and their DPDK, keeps its native tests, and starts; and they have the packages that the
roles install.

Root file systems are made by debootstrap, from the releases' own archives, and used by chroot.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mesonbuild
import pytest

from tests.lab.image import of_roles

MESON = Path(mesonbuild.__file__).parent
ROOT = Path(__file__).parents[2]
PACKAGES = "gcc,libc6-dev,libdpdk-dev,libjansson-dev,libpcap-dev,ninja-build,pkg-config,python3"
DATAPLANE = "build/native/onvm_runtime/native/dataplane/onvm-dataplane"
# meson is older there than the one that nodes get with the Python packages.
SCRIPT = f"""
apt-get update --quiet --quiet
apt-get install --dry-run --quiet --quiet {" ".join(sorted({*of_roles(ROOT), "docker.io"}))}
cd /src
export PYTHONPATH=/meson
python3 -m mesonbuild.mesonmain setup build/native -Dtests=true --buildtype=release
ninja -C build/native --quiet
python3 -m mesonbuild.mesonmain test -C build/native --print-errorlogs
mkdir /run/onvm
timeout 5 {DATAPLANE} --run-dir /run/onvm --buffers 2048 --hugepages off || [ $? = 124 ]
"""

ENTER = """
for fs in proc sys dev; do mount --rbind "/$fs" "$1/$fs"; done
exec chroot "$1" sh -eu /build.sh
"""
KEYRINGS = Path("/usr/share/keyrings")
UBUNTU = "http://archive.ubuntu.com/ubuntu"
UBUNTU_KEYS = f"{UBUNTU}/pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb"
UBUNTU_KEYS_SHA256 = "0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f"


@dataclass(frozen=True)
class Release:
    """A release, its DPDK, and where it comes from; `script`: debootstrap's for its like."""

    name: str
    dpdk: str
    mirror: str
    script: str

    def make(self, root: Path, keyring: Path) -> None:
        """Install a minimal system with what the data plane is compiled from."""
        run("debootstrap", "--variant=minbase", "--components=main,universe",
            f"--include={PACKAGES}", f"--keyring={keyring}", self.name, root, self.mirror,
            self.script)  # fmt: skip


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


def run(*command: str | Path) -> str:
    """In a mount namespace of its own, with which all mounts go."""
    result = subprocess.run(
        ["unshare", "--mount", *command], check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Where a release is installed; hundreds of megabytes, so not left behind."""
    yield tmp_path / "root"
    run("rm", "-rf", tmp_path / "root")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_the_data_plane_is_compiled_and_starts_on(
    release: Release, root: Path, tmp_path: Path
) -> None:
    release.make(root, keyring_of(release, tmp_path))
    shutil.copytree(MESON, root / "meson" / MESON.name)
    run("git", "clone", "--quiet", ROOT, root / "src")
    (root / "build.sh").write_text(SCRIPT)
    said = run("sh", "-euc", ENTER, "-", root)
    assert f"Run-time dependency libdpdk found: YES {release.dpdk}" in said
    assert "onvm-dataplane: ready" in said

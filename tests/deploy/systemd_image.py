# SPDX-License-Identifier: BSD-3-Clause
"""Debian images that boot systemd, made here: no registry is asked.

Their root file system is kept under build/, so that later runs only import it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class Image:
    """An image and the Debian packages in it, separated by commas."""

    name: str
    packages: str

    @property
    def tag(self) -> str:
        """What Docker calls it."""
        return f"onvm-test/{self.name}:{RELEASE}"

    @property
    def file(self) -> str:
        """Name of its packed root file system, another one for other packages."""
        return f"{self.name}-{RELEASE}-{crc32(self.packages.encode()):x}.tar"


SYSTEMD = Image("systemd", "systemd,systemd-sysv,dbus,python3,procps,iproute2,kmod")
MONITORING = Image(
    "monitoring", f"{SYSTEMD.packages},python3-apt,curl,prometheus,prometheus-node-exporter"
)
NODE = Image(
    "node",
    f"{SYSTEMD.packages},python3-apt,python3-venv,libdpdk-dev,pkg-config,libjansson4,logrotate,"
    "docker.io,iptables",
)


def provide(build: Path, image: Image = SYSTEMD) -> str:
    """Return the image's name, once Docker has it."""
    inspect = ["docker", "image", "inspect", image.tag]
    if subprocess.run(inspect, check=False, capture_output=True).returncode != 0:
        _run("docker", "import", archive(build, image), image.tag)
    return image.tag


def remove(image: Image = SYSTEMD) -> None:
    """Take the image away; its root file system stays under build/."""
    _run("docker", "image", "rm", image.tag)


def archive(build: Path, image: Image = SYSTEMD) -> Path:
    """Return the packed root file system; makes it when it is not there yet.

    debootstrap mounts /proc and /sys into the new root. In a mount namespace of its own they are
    gone when it ends, however it ends.
    """
    packed = build / image.file
    if not packed.exists():
        root, unfinished = packed.with_suffix(".root"), packed.with_suffix(".part")
        debootstrap = ["debootstrap", "--variant=minbase", f"--include={image.packages}"]
        _run("rm", "-rf", root)
        _run("unshare", "--mount", *debootstrap, RELEASE, root, MIRROR)
        # Without the downloaded packages, and without device nodes: Docker makes those.
        left_out = ["--exclude=./var/cache/apt/archives/*", "--exclude=./dev/*"]
        _run("tar", "-C", root, *left_out, "--one-file-system", "-cf", unfinished, ".")
        _run("rm", "-rf", root)
        unfinished.rename(packed)
    return packed


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)

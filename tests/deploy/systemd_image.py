# SPDX-License-Identifier: BSD-3-Clause
"""A Debian image that boots systemd, made here: no registry is asked.

The root file system is kept under build/, so that later runs only import it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from zlib import crc32

RELEASE = "bookworm"
IMAGE = f"onvm-test/systemd:{RELEASE}"
PACKAGES = "systemd,systemd-sysv,dbus,python3,procps,iproute2,kmod"
MIRROR = "http://deb.debian.org/debian"


def provide(build: Path) -> str:
    """Return the image's name, once Docker has it."""
    inspect = ["docker", "image", "inspect", IMAGE]
    if subprocess.run(inspect, check=False, capture_output=True).returncode != 0:
        _run("docker", "import", archive(build), IMAGE)
    return IMAGE


def remove() -> None:
    """Take the image away; its root file system stays under build/."""
    _run("docker", "image", "rm", IMAGE)


def archive(build: Path) -> Path:
    """Return the packed root file system; makes it when it is not there yet.

    debootstrap mounts /proc and /sys into the new root. In a mount namespace of its own they are
    gone when it ends, however it ends.
    """
    packed = build / f"systemd-{RELEASE}-{crc32(PACKAGES.encode()):x}.tar"
    if not packed.exists():
        root, unfinished = build / f"systemd-{RELEASE}", packed.with_suffix(".part")
        debootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
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

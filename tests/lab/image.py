# SPDX-License-Identifier: BSD-3-Clause
"""The disk of a lab's virtual machines: Debian with everything that the roles install.

Made once by debootstrap and kept under build/lab. An emulated processor installs packages twenty
times slower than this host does, so the roles must find them there; the guests need no network
beside SSH.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import yaml

RELEASE = "bookworm"  # that of the host: guests also run what was compiled here
MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
DISK_SIZE = 4 << 30
FIRST_SECTOR = 2048
SYSTEM = [
    "linux-image-amd64", "initramfs-tools", "grub-pc-bin", "grub2-common", "systemd-sysv", "udev",
    "dbus", "kmod", "openssh-server", "iproute2", "pciutils", "procps", "python3", "python3-apt",
    "iptables", "docker.io", "apparmor", "lz4",
]  # fmt: skip
SLOW_UNITS = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpdk.service", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "systemd-networkd-wait-online.service", "systemd-timesyncd.service",
]  # fmt: skip
FILES = Path(__file__).parent / "image"


def provide(checkout: Path) -> Path:
    """Return the disk to lay overlays on; makes it when what it is made of has changed."""
    folder = checkout / "build/lab"
    disk = folder / f"disk-{digest(checkout)}.qcow2"
    with (checkout / "build/lab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not disk.exists():
            _renew(checkout, folder)
            (folder / "disk.part").rename(disk)
    return disk


def _renew(checkout: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "build.log").open("wb") as log:
        _make(checkout, folder, Commands(log))


class Commands:
    """Runs commands whose output goes to a log, which is shown when one fails."""

    def __init__(self, log: BinaryIO) -> None:
        self.log = log

    def __call__(self, *command: str | Path) -> None:
        result = subprocess.run(command, check=False, stdout=self.log, stderr=self.log)
        if result.returncode != 0:
            shown = Path(self.log.name).read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{command} ended with {result.returncode}:\n{shown}")


def digest(checkout: Path) -> str:
    """Return a name for what the disk is made of."""
    parts = [*packages(checkout), *SLOW_UNITS]
    sources = [Path(__file__), checkout / "requirements-node.txt", *sorted(FILES.rglob("*"))]
    parts += [path.read_text() for path in sources if path.is_file()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def packages(checkout: Path) -> list[str]:
    """Return the Debian packages of the system and those that the roles install."""
    return sorted({*SYSTEM, *of_roles(checkout)})


def of_roles(checkout: Path) -> Iterator[str]:
    """Yield the Debian packages that the roles install."""
    for defaults in checkout.glob("roles/*/defaults/main.yml"):
        for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
            if name.endswith("_packages") and isinstance(value, list):
                yield from value


def _make(checkout: Path, folder: Path, run: Commands) -> None:
    root = folder / "root"
    run("unshare", "--mount", "debootstrap", "--variant=minbase", RELEASE, root, MIRROR)
    _copy_files(root)
    run("unshare", "--mount", "sh", "-eu", FILES / "install.sh", root, *packages(checkout))
    _add_wheels(checkout, root, run)
    _add_key(folder, root, run)
    _mask(root)
    _pack(root, folder, run)
    run("rm", "-rf", root)


def _copy_files(root: Path) -> None:
    shutil.copytree(FILES / "root", root, dirs_exist_ok=True)
    sources = f"deb {MIRROR} {RELEASE} main\ndeb {SECURITY} {RELEASE}-security main\n"
    (root / "etc/apt/sources.list").write_text(sources)


def _add_wheels(checkout: Path, root: Path, run: Commands) -> None:
    """What pip installs on a node, for the Python of RELEASE, which is this host's."""
    pip = checkout / ".venv/bin/pip"
    requirements = checkout / "requirements-node.txt"
    run(pip, "download", "--quiet", "--dest", root / "opt/wheels", "--requirement", requirements)


def _add_key(folder: Path, root: Path, run: Commands) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    target = root / "root/.ssh/authorized_keys"
    target.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(folder / "key.pub", target)


def _mask(root: Path) -> None:
    for unit in SLOW_UNITS:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _pack(root: Path, folder: Path, run: Commands) -> None:
    """One partition with the root file system, and GRUB before it."""
    raw, grub = folder / "disk.raw", root / "usr/lib/grub/i386-pc"
    run("truncate", "--size", str(DISK_SIZE), raw)
    offset, size = f"offset={FIRST_SECTOR * 512}", f"{(DISK_SIZE >> 10) - 1024}k"
    run("mkfs.ext4", "-q", "-d", root, "-E", offset, raw, size)
    _write_boot_sectors(raw, grub, run)
    run("qemu-img", "convert", "-O", "qcow2", raw, folder / "disk.part")
    raw.unlink()


def _write_boot_sectors(raw: Path, grub: Path, run: Commands) -> None:
    """boot.img loads the sector behind it; core.img expects to lie there in one piece."""
    core = raw.with_name("core.img")
    run(
        "chroot", grub.parents[3], "grub-mkimage", "-O", "i386-pc", "-o", "/core.img",
        "-p", "(hd0,msdos1)/boot/grub", "biosdisk", "part_msdos", "ext2", "normal", "linux",
    )  # fmt: skip
    (grub.parents[3] / "core.img").rename(core)
    # active, no CHS, Linux, from, sectors; three empty entries; signature
    entry = struct.pack("<B3xB3xII", 0x80, 0x83, FIRST_SECTOR, DISK_SIZE // 512 - FIRST_SECTOR)
    with raw.open("r+b") as disk:
        disk.write((grub / "boot.img").read_bytes()[:446].ljust(446, b"\0"))
        disk.write(entry + bytes(48) + b"\x55\xaa")
        disk.write(core.read_bytes())

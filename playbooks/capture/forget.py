#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Removes from a host what a copy of its disk must not have, and prints each path.

usage: forget.py [--dry-run] [ROOT]

Identities (machine id, SSH host keys, keys of the experiment), leases, logs, histories, what lies
in /tmp, and the desired state of the node. Programs, configuration, packages and the records of the
deployment stay.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

# Files, as patterns of Path.glob below the root.
TRACES = (
    "etc/ssh/ssh_host_*",
    "etc/udev/rules.d/70-persistent-net.rules",
    "home/*/.bash_history",
    "home/*/.ssh/known_hosts*",
    "root/.bash_history",
    "root/.ssh/known_hosts*",
    "root/.ssh/onvm_cloudlab*",
    "tmp/**/*",
    "var/cache/apt/archives/*.deb",
    "var/lib/NetworkManager/*.lease",
    "var/lib/cloud/instance*",
    "var/lib/dhcp/*.leases",
    "var/lib/onvm/state.json",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/random-seed",
    "var/log/**/*",
    "var/tmp/**/*",
)
ANSIBLES = "tmp/ansible_*_payload_*"  # a module's own program, with which it takes them away
MACHINE_ID = "etc/machine-id"  # systemd makes another at boot where it is empty
OWN_KEY = "root/.ssh/onvm_cloudlab"
AUTHORIZED = "root/.ssh/authorized_keys"


def traces(root: Path) -> Iterator[Path]:
    """Yield the files to remove."""
    for pattern in TRACES:
        found = (path for path in sorted(root.glob(pattern)) if _is_file(path))
        yield from (path for path in found if not path.match(f"{ANSIBLES}/*"))


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def emptied(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield files that stay, with what they shall hold."""
    machine_id = root / MACHINE_ID
    if machine_id.exists() and machine_id.read_text():
        yield machine_id, ""
    authorized, key = root / AUTHORIZED, _public_key(root)
    if key and authorized.exists():
        lines = authorized.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.split()[1:2] != [key]]
        if kept != lines:
            yield authorized, "".join(kept)


def _public_key(root: Path) -> str:
    """The key with which nodes of the experiment let each other in; "" where there is none."""
    public = root / f"{OWN_KEY}.pub"
    return public.read_text().split()[1] if public.exists() else ""


def main(arguments: list[str]) -> None:
    """Do it, or say what it would be."""
    dry_run = arguments[:1] == ["--dry-run"]
    root = Path((arguments[1:] if dry_run else arguments)[0] if arguments[dry_run:] else "/")
    for path, text in list(emptied(root)):
        print(path)
        if not dry_run:
            path.write_text(text)
    for path in list(traces(root)):
        print(path)
        if not dry_run:
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])

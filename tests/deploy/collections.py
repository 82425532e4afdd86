# SPDX-License-Identifier: BSD-3-Clause
"""The collections that molecule's Docker driver needs, out of the PyPI package `ansible`.

Galaxy is not asked. The roles themselves need no collection.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "ansible==12.3.0"
NEEDED = ("ansible/posix", "community/docker", "community/library_inventory_filtering_v1")


def provide(build: Path) -> Path:
    """Return the folder for ANSIBLE_COLLECTIONS_PATH; fills it when it is not there yet."""
    folder = build / "collections"
    if not folder.exists():
        wheel = _download(build / "wheels")
        unfinished = build / "collections.part"
        prefixes = tuple(f"ansible_collections/{name}/" for name in NEEDED)
        with zipfile.ZipFile(wheel) as files:
            files.extractall(unfinished, [n for n in files.namelist() if n.startswith(prefixes)])
        unfinished.rename(folder)
        wheel.unlink()
    return folder


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, PACKAGE], check=True)
    return next(folder.glob("ansible-*.whl"))

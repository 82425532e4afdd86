# SPDX-License-Identifier: BSD-3-Clause
"""What a node compiles, compiled on this host beforehand, as a cache for the guests' compilers.

An emulated processor compiles twenty times slower. The guests still run the whole build: ccache
answers for those files whose compiler, options and text, headers included, are the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = ("meson.build", "meson_options.txt", "nf_images", "onvm_runtime")
SETTINGS = "compiler_check = content\nhash_dir = false\nsloppiness = include_file_mtime, locale\n"


def provide(checkout: Path, folder: Path) -> Path:
    """Return an archive of /root/.ccache; folder: for the build."""
    cache = checkout / "build/lab/ccache"
    cache.mkdir(exist_ok=True)
    (cache / "ccache.conf").write_text(SETTINGS)
    tree = folder / "tree"
    tree.mkdir()
    for name in SOURCES:
        source = checkout / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tree / name)
    _build(tree, cache)
    archive = folder / "ccache.tar"
    subprocess.run(["tar", "-C", cache, "-cf", archive, "."], check=True)
    return archive


def _build(tree: Path, cache: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CC": "ccache gcc", "CCACHE_DIR": str(cache)}
    for command in (
        ["meson", "setup", "--buildtype=release", "build"],
        ["ninja", "-C", "build", "--quiet"],
    ):
        subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True)

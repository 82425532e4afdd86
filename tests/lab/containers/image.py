# SPDX-License-Identifier: BSD-3-Clause
"""The image of nodes: Debian with systemd, SSH, an engine, and the packages that the roles install.

So the roles find these there: the nodes have no network beside the lab's.
"""

from __future__ import annotations

from pathlib import Path

from tests.deploy import systemd_image
from tests.lab import image as virtual

SYSTEM = "openssh-server,python3-apt,docker.io,iptables,netbase"
FILES = Path(__file__).parent / "root"


def provide(checkout: Path) -> str:
    """Return the image's name, once Docker has it."""
    return systemd_image.provide(checkout / "build", _image(checkout))


def remove(checkout: Path) -> None:
    """Take the image away; its root file system stays under build/."""
    systemd_image.remove(_image(checkout))


def files() -> dict[str, str]:
    """What is written into a node before it boots, by place."""
    found = (path for path in FILES.rglob("*") if path.is_file())
    return {str(path.relative_to(FILES)): path.read_text() for path in found}


def _image(checkout: Path) -> systemd_image.Image:
    packages = [systemd_image.SYSTEMD.packages, SYSTEM, *sorted(virtual.of_roles(checkout))]
    return systemd_image.Image("lab-node", ",".join(packages))

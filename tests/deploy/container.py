# SPDX-License-Identifier: BSD-3-Clause
"""A host with systemd, by default without a network, in a container that is not privileged."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Self

UNCONFINED = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")
TMPFS = ("/run", "/run/lock", "/tmp", "/var/lib/docker")


class Container:
    """It boots with `with`, and goes at its end."""

    def __init__(self, name: str, image: str, network: str = "none") -> None:
        self.name, self.image, self.network = name, image, network

    def __enter__(self) -> Self:
        docker(
            "run", "--detach", "--name", self.name, "--hostname", self.name,
            "--network", self.network,
            "--cgroupns", "private", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
            *(word for one in UNCONFINED for word in ("--security-opt", one)),
            *(word for one in TMPFS for word in ("--tmpfs", one)),
            "--env", "container=docker", self.image, "/lib/systemd/systemd",
        )  # fmt: skip
        try:
            self.run("sh", "-c", BOOTED)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Take it away, whatever state it is in."""
        docker("rm", "--force", "--volumes", self.name)

    def run(self, *command: str) -> str:
        """Run a command that must succeed; returns what it prints."""
        return docker("exec", self.name, *command)

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file, with the folders above it."""
        script = f"mkdir -p $(dirname {path}) && cat >{path} && chmod {mode} {path}"
        docker("exec", "--interactive", self.name, "sh", "-c", script, text=text)

    def changes(self) -> list[str]:
        """What differs from the image, as `docker diff` has it; not what lies on a tmpfs."""
        return docker("diff", self.name).splitlines()


# The bus comes up a moment after process 1.
BOOTED = "until systemctl is-system-running --wait; do [ -e /run/dbus ] && break; sleep 0.2; done"


def docker(*arguments: str, text: str = "") -> str:
    """Run the docker command; the test fails with its messages when it fails."""
    done = subprocess.run(
        ["docker", *arguments], check=False, capture_output=True, text=True, input=text
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout

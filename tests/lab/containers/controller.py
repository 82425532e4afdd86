# SPDX-License-Identifier: BSD-3-Clause
"""Ansible, which reaches the nodes by SSH over the management network.

That network is in a namespace, and so is SSH; the rest runs on the host, where it may compile.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.dataplane.namespaces import Namespace, ip
from tests.deploy import playbook

NETWORK = "198.18.0"
SSH = (
    "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
    "-o ControlPersist=20s"
)


class Controller:
    """Runs playbooks on the nodes of an inventory."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.checkout, self.folder = checkout, folder
        self.namespace = Namespace("lab-controller")
        self.namespace.ip("link", "add", "management", "type", "bridge")
        self.namespace.address("management", f"{NETWORK}.1/24")
        self.inventory = folder / "hosts.yml"
        self._process: subprocess.Popen[str] | None = None
        self._key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        self._ssh = folder / "ssh-of-the-lab"
        self._ssh.write_text(f'#!/bin/sh\nexec ip netns exec {self.namespace.name} ssh "$@"\n')
        self._ssh.chmod(0o755)

    @property
    def public_key(self) -> str:
        """The key by which it logs in."""
        return self._key.with_suffix(".pub").read_text()

    def variables(self) -> dict[str, object]:
        """Variables of the inventory: how nodes are reached."""
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_executable": str(self._ssh),
            "ansible_ssh_transfer_method": "piped",  # by that ssh
            "ansible_ssh_common_args": SSH,
        }

    def write(self, inventory: dict[str, object]) -> None:
        """Write the inventory."""
        self.inventory.write_text(yaml.safe_dump(inventory, sort_keys=False))

    def play(self, *words: str) -> playbook.Run:
        """Run playbooks to their end."""
        return self.begin(*words).wait()

    def begin(self, *words: str) -> Play:
        """Start playbooks."""
        log = (self.folder / "ansible.log").open("a", buffering=1)
        process = subprocess.Popen(
            [playbook.ANSIBLE, "--inventory", str(self.inventory), *words],
            cwd=self.checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "ssh")},
        )  # fmt: skip
        self._process = process
        return Play(process, log.write)

    def cut(self, node: str) -> None:
        """Take the management link of a node down."""
        self.namespace.ip("link", "set", f"m-{node}", "down")

    def mend(self, node: str) -> None:
        """Bring it up again."""
        self.namespace.ip("link", "set", f"m-{node}", "up")

    def crash(self) -> None:
        """SIGKILL for the playbook, its workers and their connections: no node is told."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process:
            self._process.wait()

    def _pids(self) -> list[int]:
        connections = map(int, ip("netns", "pids", self.namespace.name).split())
        if self._process is None or self._process.poll() is not None:
            return [*connections]
        return [*_descendants(self._process.pid), self._process.pid, *connections]

    def close(self) -> None:
        """End what is left, such as connections that SSH keeps for a while."""
        self.crash()
        self.namespace.close()


@dataclass
class Play:
    """A run of ansible-playbook under way, and what it has printed so far."""

    process: subprocess.Popen[str]
    keep: Callable[[str], object]
    lines: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
            self.keep(f"{time.monotonic() - self.began:7.1f} {line}")

    def until(self, pattern: str, seconds: float = 120) -> bool:
        """Wait for a line; returns whether it came before the end."""
        end = time.monotonic() + seconds
        with self._said:
            while not any(re.search(pattern, line) for line in self.lines):
                if self.process.poll() is not None or time.monotonic() > end:
                    return False
                self._said.wait(0.05)
        return True

    def wait(self, seconds: float = 1700) -> playbook.Run:
        """Wait for its end."""
        self.process.wait(seconds)
        self._reader.join(5)  # connections that are kept hold the pipe open
        self.seconds = time.monotonic() - self.began
        return playbook.Run(self.process.returncode, "".join(self.lines))


def _descendants(pid: int) -> Iterator[int]:
    """The processes that a process has started, and those that these have."""
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], check=False, capture_output=True, text=True
    )
    for child in map(int, listed.stdout.split()):
        yield from _descendants(child)
        yield child

# SPDX-License-Identifier: BSD-3-Clause
"""A node: a container with systemd, a network namespace and an engine of its own.

It is not privileged, and the host's control groups are not mounted into it: those that it sees
are its own part of them. Its NICs are ends of veth pairs that outlive the container, as cards do.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.dataplane.namespaces import ip
from tests.dataplane.plane import eventually
from tests.lab.containers import image

BOOT_SECONDS = 60.0
PLACES = ("/etc", "/opt", "/usr/local", "/var/lib/onvm", "/var/log/onvm", "/run/onvm")
UNCONFINED = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")


class Node:
    """One container; it ends with `close`, and its network namespace with it."""

    def __init__(self, name: str, image_name: str, key: str) -> None:
        """`key`: the public key of who may log in."""
        self.name = name
        self.container = f"onvm-lab-{name}-{os.getpid()}"
        self.namespace = self.container
        self._stack = contextlib.ExitStack()
        self._create(image_name)
        self._copy({**image.files(), "root/.ssh/authorized_keys": key})
        self._nics: dict[str, str] = {}  # and their addresses

    def _create(self, image_name: str) -> None:
        options = [
            *("--name", self.container, "--hostname", self.name, "--network", "none"),
            *("--cgroupns", "private", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
            *(word for one in UNCONFINED for word in ("--security-opt", one)),
            *(word for one in ("/run", "/run/lock", "/tmp") for word in ("--tmpfs", one)),
            *("--env", "container=docker", "--volume", "/var/lib/docker"),
            *("--volume", "/dev/hugepages:/dev/hugepages"),
        ]
        docker("create", *options, image_name, "/lib/systemd/systemd")
        self._stack.callback(docker, "rm", "--force", "--volumes", self.container)

    def _copy(self, files: dict[str, str]) -> None:
        """Write files, with the folders above them, for root alone to change."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text.encode()), 0o644
                archive.addfile(entry, io.BytesIO(text.encode()))
        docker("cp", "-", f"{self.container}:/", input=packed.getvalue())

    def start(self) -> None:
        """Switch it on, and give it its NICs."""
        docker("start", self.container)
        if self._nics:
            self._move_nics()
        else:
            ip("netns", "attach", self.namespace, str(self.pid))
            self._stack.callback(ip, "netns", "delete", self.namespace)

    def _move_nics(self) -> None:
        """From the namespace of the container that was, which lives by its name."""
        for nic in self._nics:
            ip("-n", self.namespace, "link", "set", nic, "netns", str(self.pid))
        ip("netns", "delete", self.namespace)
        ip("netns", "attach", self.namespace, str(self.pid))
        for nic, address in self._nics.items():
            self._switch_on(nic, address)

    def plug(self, nic: str, mtu: int = 1500, address: str = "") -> None:
        """Switch on a NIC that lies in the node's namespace."""
        self._nics[nic] = address
        ip("-n", self.namespace, "link", "set", nic, "mtu", str(mtu))
        self._switch_on(nic, address)

    def _switch_on(self, nic: str, address: str) -> None:
        """`address`: none for ports, with which the node's kernel has no business."""
        key = f"net.ipv6.conf.{nic}.disable_ipv6=1"
        command = ["ip", "netns", "exec", self.namespace, "sysctl", "-qw", key]
        subprocess.run(command, check=True)
        ip("-n", self.namespace, "link", "set", nic, "up")
        if address:
            ip("-n", self.namespace, "address", "add", address, "dev", nic)

    @property
    def pid(self) -> int:
        """Its first process, as this host counts."""
        return int(docker("inspect", "--format", "{{.State.Pid}}", self.container))

    def cpu_seconds(self) -> float:
        """Time of CPUs that it has used, its containers included; by its control group."""
        for line in Path(f"/proc/{self.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "cpuacct" in controllers.split(","):
                usage = Path(f"/sys/fs/cgroup/{controllers}{path}/cpuacct.usage")
                return int(usage.read_text()) / 1e9
        stat = Path(f"/sys/fs/cgroup{path}/cpu.stat").read_text().split()
        return int(stat[stat.index("usage_usec") + 1]) / 1e6

    def booted(self) -> bool:
        """Whether systemd has started all there is to start."""
        state = self.run("systemctl", "is-system-running", check=False).strip()
        assert state != "degraded", self.run("systemctl", "--failed")
        return state == "running"

    def until_booted(self) -> None:
        """Wait for systemd and SSH."""
        eventually(self.booted, f"{self.name} boots", BOOT_SECONDS)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it; returns what it prints."""
        return docker("exec", self.container, *command, check=check)

    def state(self) -> dict[str, str]:
        """What a deployment changes: files, packages, processes."""
        return {
            "files": self.run("find", *PLACES, "-xdev", check=False),
            "packages": self.run("dpkg-query", "--show"),
            "processes": self.run("pgrep", "--list-full", "onvm|docker|containerd", check=False),
        }

    def detached(self, script: str) -> None:
        """Start a script in it, and do not wait."""
        docker("exec", "--detach", self.container, "sh", "-c", script)

    @property
    def socket(self) -> Path:
        """The manager's socket, as this host sees it."""
        return Path(f"/proc/{self.pid}/root/run/onvm/manager.sock")

    def get(self, path: str) -> Any:
        """The JSON that the manager answers; raises httpx.TransportError when it does not."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(transport=transport, base_url="http://node", timeout=20) as client:
            answer = client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def answers(self) -> bool:
        """Whether its manager does."""
        with contextlib.suppress(httpx.TransportError):
            return bool(self.get("/v1/version"))
        return False

    def leased(self) -> bool:
        """Whether a rollout has the lease on its chains, or had it when it was cut off."""
        lease = self.socket.with_name("lease.json")
        return lease.exists() and json.loads(lease.read_text())["until"] > time.time()

    def kill_manager(self) -> None:
        """SIGKILL; systemd starts it again."""
        self.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "onvm-manager")

    def kill(self) -> None:
        """End all of its processes at once, as a loss of power does; its NICs go dark."""
        docker("kill", "--signal", signal.SIGKILL.name, self.container)
        for nic in self._nics:
            ip("-n", self.namespace, "link", "set", nic, "down")

    def losses(self) -> dict[str, int]:
        """Why packets were dropped on it."""
        drops = self.get("/v1/stats")["node"]["drops"]
        return {reason: count for reason, count in drops.items() if count}

    def close(self) -> None:
        """Remove it."""
        self._stack.close()


def docker(*words: str, check: bool = True, input: bytes | None = None) -> str:
    """Run docker(1); what it prints is in the error of a failed test."""
    done = subprocess.run(["docker", *words], check=False, capture_output=True, input=input)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0 or not check, f"docker {shlex.join(words)}: {said}"
    return done.stdout.decode(errors="replace")

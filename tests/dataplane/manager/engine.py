# SPDX-License-Identifier: BSD-3-Clause
"""A container engine of a test's own: other sockets and folders than the host's engine has."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import docker

from tests.dataplane.plane import eventually

# As the role docker configures an engine: no network, and containers outlive it.
CONFIGURATION = {"bridge": "none", "iptables": False, "ip-forward": False, "live-restore": True}
DOCKERFILE = b'FROM scratch\nCOPY nf /nf\nENTRYPOINT ["/nf"]\n'


class Engine:
    """One dockerd, in a directory that it keeps from one life to the next."""

    def __init__(self, directory: Path) -> None:
        self.address = f"unix://{directory / 'docker.sock'}"
        self._directory = directory
        directory.mkdir()
        (directory / "daemon.json").write_text(json.dumps(CONFIGURATION))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        directory = self._directory
        with (directory / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd", f"--config-file={directory / 'daemon.json'}",
                    f"--host={self.address}", f"--data-root={directory / 'data'}",
                    f"--exec-root={directory / 'exec'}", f"--pidfile={directory / 'docker.pid'}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self.client: docker.DockerClient = eventually(self._connect, "the engine answers", 60)

    def _connect(self) -> docker.DockerClient | None:
        log = self._directory / "dockerd.log"
        assert self._process, "start it"
        assert self._process.poll() is None, log.read_text()[-2000:]
        try:
            return docker.DockerClient(base_url=self.address)
        except docker.errors.DockerException:
            return None

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ends it; containers go on."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(60)
        # Its containerd dies with it; where nobody collects orphans, that looks alive.
        (self._directory / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def close(self) -> None:
        """Ends it for good, and what its lives have left mounted."""
        self.end()
        self._end_shims()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed(mounts):
            if mount.startswith(f"{self._directory}/"):
                subprocess.run(["umount", "--lazy", mount], check=True)

    def _end_shims(self) -> None:
        """Those of containers that no life of the engine knew any more."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = (process / "cmdline").read_text().split("\0")
                if "containerd-shim" in words[0] and words[-2].startswith(f"{self._directory}/"):
                    os.kill(int(process.name), signal.SIGTERM)

    def build(self, name: str, program: Path) -> None:
        """Makes the image of a static program."""
        self.client.images.build(
            fileobj=context(program), custom_context=True, tag=name, rm=True, forcerm=True
        )


def context(program: Path) -> io.BytesIO:
    """A build context with a static program."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in (("Dockerfile", DOCKERFILE), ("nf", program.read_bytes())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    content.seek(0)
    return content

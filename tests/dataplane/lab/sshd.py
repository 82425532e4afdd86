# SPDX-License-Identifier: BSD-3-Clause
"""An OpenSSH server on loopback, with keys made for the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.dataplane.plane import eventually

SEPARATION = Path("/run/sshd")  # where sshd locks up what it does not trust


class Sshd:
    """Lets root in by the key `key`; `known_hosts` has its host key, `others` another one."""

    def __init__(self, directory: Path, port: int) -> None:
        self.port = port
        self.key = directory / "key"
        self.known_hosts = directory / "known_hosts"
        self.others = directory / "known_hosts_of_others"
        for name in ("key", "host", "other"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
        self._know(self.known_hosts, directory / "host.pub")
        self._know(self.others, directory / "other.pub")
        self._made = not SEPARATION.exists()
        SEPARATION.mkdir(mode=0o755, exist_ok=True)
        config = directory / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{port}\n"
            f"HostKey {directory}/host\n"
            f"AuthorizedKeysFile {directory}/key.pub\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n"
        )
        self._log = directory / "sshd.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=log
            )
        eventually(lambda: "listening" in self._log.read_text(), "sshd listens")

    def _know(self, file: Path, key: Path) -> None:
        file.write_text(f"[127.0.0.1]:{self.port} {key.read_text()}")

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(10)
        if self._made:
            SEPARATION.rmdir()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)

# SPDX-License-Identifier: BSD-3-Clause
"""A data plane in a guest, driven by a test on the host."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.lab.machine import Machine

SITE = "/mnt/.venv/lib/python3.11/site-packages"  # of RELEASE in image.py
COMMAND = (
    f"cd /mnt && ONVM_BUILD=/mnt/build/native PYTHONPATH=/mnt:{SITE} PYTHONDONTWRITEBYTECODE=1 "
    "exec python3 -m tests.lab.guest"
)

BIND = """
cd /mnt/roles/nic_binding/module_utils && python3 -B -c '
import onvm_nics as n
wish = n.Wish(({nics},), "{driver}")
n.Binder().apply(n.plan(wish, {{}}, n.protected(), n.available()))'
"""


def bind(machine: Machine, driver: str) -> None:
    """Give all NICs of a guest to a driver, as the role nic_binding does."""
    nics = ", ".join(f'"{nic.address}"' for nic in machine.nics)
    machine.ssh(BIND.format(nics=nics, driver=driver))


class RemotePlane:
    """What tests/lab/guest.py offers; a call that fails there raises AssertionError here."""

    def __init__(self, machine: Machine, *options: str) -> None:
        command = [*machine.ssh_command(), " ".join([COMMAND, *options])]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def call(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the guest's Plane."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([method, arguments, keywords]) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the data plane in the guest ended; its messages are above"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def request(self, op: str, /, **arguments: Any) -> dict[str, Any]:
        """One operation of the control channel."""
        result: dict[str, Any] = self.call("request", op, **arguments)
        return result

    def close(self) -> None:
        """End it; fails the test when the data plane did not end cleanly."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(60) == 0

# SPDX-License-Identifier: BSD-3-Clause
"""What a host is like: what the deployment changes, and teardown must put back."""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDERS = (
    "/opt/onvm", "/etc/onvm", "/run/onvm", "/run/onvm-demo", "/var/lib/onvm", "/var/log/onvm",
    "/usr/local/bin/onvm", "/etc/init.d/onvm-manager", "/etc/systemd/system/onvm-manager.service",
    "/etc/logrotate.d/onvm", "/etc/bash_completion.d/onvm", "/etc/modules-load.d/onvm.conf",
    "/etc/sysctl.d/60-onvm-hugepages.conf", "/etc/docker/daemon.json",
)  # fmt: skip
LAB = ("onvm-client", "onvm-server")


def look() -> dict[str, object]:
    """Return everything that a demonstration must leave as it was."""
    return {
        "hugepages": Path("/proc/sys/vm/nr_hugepages").read_text().strip(),
        "paths": sorted(path for path in FOLDERS if Path(path).exists()),
        "start links": sorted(map(str, Path("/etc").glob("rc*.d/*onvm*"))),
        "packages": _lines("dpkg-query", "--show", "--showformat", "${Package} ${Status}\n"),
        "interfaces": [name for name in LAB if Path("/sys/class/net", name).exists()],
        "namespaces": [name for name in LAB if Path("/run/netns", name).exists()],
        "docker runs": Path("/var/run/docker.sock").exists(),
        "processes": processes(),
    }


def processes() -> list[str]:
    """Return the testbed's processes that run from its installation."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if any(word.startswith(b"/opt/onvm/") for word in words):
            found.append(b" ".join(words).decode(errors="replace"))
    return sorted(found)


def _lines(*command: str) -> list[str]:
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(line for line in result.stdout.splitlines() if not line.endswith("not-installed"))

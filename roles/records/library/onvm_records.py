#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: puts what a node knows and has logged into one archive on the node."""

import io
import json
import subprocess
import tarfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.onvm_api import Manager, Refused

DOCUMENTATION = r"""
module: onvm_records
short_description: Put what a node knows and has logged into an archive
description:
  - Asks the manager for everything it answers, and adds logs, configuration, the journal, facts
    of the host, and files that are named. What cannot be had is listed and stops nothing.
options:
  archive: {type: path, required: true, description: The C(.tar.gz) to write.}
  name: {type: str, required: true, description: Folder in the archive.}
  socket: {type: path, default: /run/onvm/manager.sock, description: The manager's socket.}
  logs: {type: path, default: /var/log/onvm, description: Folder of logs.}
  etc: {type: path, default: /etc/onvm, description: Folder of configuration.}
  captures: {type: list, elements: str, default: [], description: Patterns of other files.}
  largest: {type: int, default: 104857600, description: Of larger files the end.}
  lines: {type: int, default: 10000, description: Lines of an NF's output and of the journal.}
attributes:
  check_mode: {support: none}
  diff_mode: {support: none}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Collect
  onvm_records:
    archive: /tmp/node.tar.gz
    name: run-7/a
"""

RETURN = r"""
missing: {type: list, elements: str, returned: always, description: What could not be had, and why.}
"""

ANSWERS = ("version", "status", "ports", "links", "chains", "nfs", "services", "stats", "latency")
UNITS = ("onvm-manager", "onvm-nic-binding", "docker")
COMMANDS = {
    "kernel.txt": ("uname", "-a"),
    "cpus.txt": ("lscpu",),
    "memory.txt": ("cat", "/proc/meminfo"),
    "command-line.txt": ("cat", "/proc/cmdline"),
    "interfaces.txt": ("ip", "-details", "-statistics", "address"),
    "packages.txt": ("dpkg-query", "--list", "*dpdk*", "docker*", "python3"),
    "processes.txt": ("ps", "-eo", "pid,ppid,psr,stat,pcpu,rss,etime,args"),
}
COMMAND_SECONDS = 30


class Records:
    """An archive that grows, and the list of what is not in it."""

    def __init__(self, archive, name, largest):
        self._archive, self._name, self._largest = archive, name, largest
        self.missing = []

    def add(self, place, content):
        """Add bytes under a name."""
        entry = tarfile.TarInfo(f"{self._name}/{place}")
        entry.size, entry.mtime = len(content), int(time.time())
        self._archive.addfile(entry, io.BytesIO(content))

    def add_file(self, place, path):
        """Add a file, or its end where it is large."""
        try:
            with Path(path).open("rb") as file:
                left_out = max(0, file.seek(0, io.SEEK_END) - self._largest)
                file.seek(left_out)
                self.add(place, file.read())
        except OSError as error:
            self.missing.append(f"{path}: {error.strerror}")
        else:
            if left_out:
                self.missing.append(f"{path}: its first {left_out} bytes")

    def add_folder(self, place, folder):
        """Add all files below a folder."""
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                self.add_file(f"{place}/{path.relative_to(folder)}", path)

    def add_output(self, place, command):
        """Add what a command prints."""
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.missing.append(f"{command[0]}: {error}")
        else:
            self.add(place, done.stdout + done.stderr)


def ask(records, manager, lines):
    """Add what the manager answers."""
    try:
        for what in ANSWERS:
            answer = manager.ask("GET", f"/v1/{what}")
            records.add(f"api/{what}.json", json.dumps(answer, indent=2).encode())
        records.add("chains.yml", manager.ask("GET", "/v1/spec")["text"].encode())
        records.add("api/metrics.txt", manager.read("/metrics"))
        for nf in manager.ask("GET", "/v1/nfs")["nfs"]:
            said = manager.ask("GET", f"/v1/nfs/{nf['name']}/logs?lines={lines}")["lines"]
            records.add(f"nf/{nf['name']}.log", "\n".join(said).encode())
    except Refused as refusal:
        records.missing.append(f"the rest of the manager's answers: {refusal}")


def collect(records, parameters):
    """Add everything."""
    ask(records, Manager(parameters["socket"]), min(parameters["lines"], 10000))
    records.add_folder("log", parameters["logs"])
    records.add_folder("etc", parameters["etc"])
    for name, command in COMMANDS.items():
        records.add_output(f"host/{name}", command)
    if Path("/run/systemd/system").exists():
        units = [f"--unit={unit}" for unit in UNITS]
        number = f"--lines={parameters['lines']}"
        records.add_output("host/journal.txt", ("journalctl", "--no-pager", number, *units))
    for pattern in parameters["captures"]:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        for path in found:
            records.add_file(f"captures/{path.name}", path)
        if not found:
            records.missing.append(f"{pattern}: no such file")
    if records.missing:
        records.add("missing.txt", "\n".join(records.missing).encode() + b"\n")


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "socket": {"type": "path", "default": "/run/onvm/manager.sock"},
            "logs": {"type": "path", "default": "/var/log/onvm"},
            "etc": {"type": "path", "default": "/etc/onvm"},
            "captures": {"type": "list", "elements": "str", "default": []},
            "largest": {"type": "int", "default": 104857600},
            "lines": {"type": "int", "default": 10000},
        },
    )
    with tarfile.open(module.params["archive"], "w:gz") as archive:
        records = Records(archive, module.params["name"], module.params["largest"])
        collect(records, module.params)
    module.exit_json(changed=False, missing=records.missing)


if __name__ == "__main__":
    main()

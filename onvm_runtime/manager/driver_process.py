# SPDX-License-Identifier: BSD-3-Clause
"""NFs as plain processes, for hosts without Docker and for tests.

A process is told from others by its environment: ONVM_SOCKET names the instance,
ONVM_SOCKETS all that it runs, the first of which stands for it.
So nothing has to be written down for the next manager to find it.
"""

from __future__ import annotations

import os
from pathlib import Path

from onvm_runtime.chains.values import cpus as parse
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.cpu_shares import CpuShares
from onvm_runtime.manager.driver import Handle, Launch
from onvm_runtime.manager.failure import DriverError
from onvm_runtime.manager.logfile import tail
from onvm_runtime.manager.process import Process

STOP_SECONDS = 3.0


class ProcessHandle:
    """An NF that is a process of this host."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def ended(self) -> str:
        """Waits until it has ended; returns how."""
        return await self._process.ended()

    async def stop(self) -> None:
        """Ends it."""
        await self._process.stop(STOP_SECONDS)


class ProcessDriver:
    """Starts NFs of the catalogue's directory: `<nf>/<nf>`."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._nfs = config.directories.run / "nf"
        self._shares = CpuShares(config.node)
        self._logs = config.directories.log / "nf"

    async def running(self) -> dict[str, Handle]:
        """The instances of this node that run already, by name."""
        found: dict[str, Handle] = {}
        for pid in _pids():
            name = self._instance_of(pid)
            process = _watch(pid) if name else None
            # The pid may be another process by now: what is watched is asked once more.
            if process and name and self._instance_of(pid) == name:
                found[name] = ProcessHandle(process)
            elif process:
                process.release()
        return found

    async def start(self, launch: Launch) -> Handle:
        """Starts an instance; raises DriverError."""
        program = self._config.catalogue / launch.nf / launch.nf
        if not program.is_file():
            raise DriverError(f"there is no program {program}: install the NFs first")
        environment = launch.sockets(launch.directories())
        command: list[str | Path] = [*self._confinement(launch), program]
        try:
            process = Process.spawn(
                command, environment, self._log(launch.instance), self._config.nf.user
            )
        except OSError as error:
            raise DriverError(f"cannot start {program}: {error.strerror}") from error
        self._shares.set(launch.instance, process.pid, launch.cpu_weight)
        return ProcessHandle(process)

    async def adjust(self, launch: Launch, pid: int) -> None:
        """Gives a process that runs the CPUs and the weight of its launch."""
        self._shares.set(launch.instance, pid, launch.cpu_weight)
        try:
            os.sched_setaffinity(pid, parse(launch.cpus) if launch.cpus else _all_cpus())
        except ProcessLookupError:
            return
        except OSError as error:
            raise DriverError(
                f"cannot move {launch.instance} to CPUs {launch.cpus}: {error.strerror}"
            ) from error

    def weighs_by(self, instance: str) -> str:
        """What a process's weight is enforced by: cgroup, or nice."""
        return self._shares.by(instance)

    async def remove(self, instance: str) -> None:
        """Leaves the log: no file else is left of a process."""
        self._shares.forget(instance)

    async def logs(self, instance: str, lines: int) -> str:
        """The last lines that an instance wrote."""
        return tail(self._log(instance), lines)

    def _log(self, instance: str) -> Path:
        return self._logs / f"{instance}.log"

    def _confinement(self, launch: Launch) -> list[str]:
        """Commands of util-linux that set the limits of node.yml, then become the NF.

        RLIMIT_DATA counts private memory only, so the packet region is free.
        There is no limit of pids: RLIMIT_NPROC counts all NFs of the user together.
        """
        limits = ["prlimit", f"--data={self._config.nf.memory * launch.size}", "--core=0"]
        return [*limits, "taskset", "--cpu-list", launch.cpus] if launch.cpus else limits

    def _instance_of(self, pid: int) -> str | None:
        """Which instance a process is; None when it is none of this node's."""
        try:
            if os.getsid(pid) != pid or _owner(pid) != self._config.nf.user:
                return None
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return None
        for entry in environment:
            path = _socket(os.fsdecode(entry))
            if path and path.parent.parent == self._nfs:
                return path.parent.name
        return None


def _socket(entry: str) -> Path | None:
    """The socket that an entry of an environment names, the first where it names several."""
    name, _, value = entry.partition("=")
    if name == "ONVM_SOCKETS":
        value = value.split(" ")[0].partition("=")[2]
    return Path(value) if name in ("ONVM_SOCKET", "ONVM_SOCKETS") else None


def _all_cpus() -> range:
    return range(os.cpu_count() or 1)


def _pids() -> list[int]:
    """All processes of the host."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def _watch(pid: int) -> Process | None:
    try:
        return Process(pid)
    except ProcessLookupError:
        return None

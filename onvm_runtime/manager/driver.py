# SPDX-License-Identifier: BSD-3-Clause
"""How NFs run: what a driver has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onvm_runtime.chains.spec import CPU_WEIGHT
from onvm_runtime.manager.config import NodeConfig

FUSED = "fused"  # the program of all NFs of nf_images/, in the catalogue's directory


@dataclass(frozen=True)
class Member:
    """One of several NFs in a process, and the directory of its socket."""

    instance: str
    nf: str
    directory: Path


@dataclass(frozen=True)
class Launch:
    """What a process needs to start: its names, and the directory of its socket.

    Where it runs several NFs, `instance` is the first of its `members`, and `nf` is FUSED.
    `cpus` is a cpuset list, empty for no limit; `cpu_weight` as cgroup v2 has it.
    """

    instance: str
    service: str
    nf: str
    directory: Path
    members: tuple[Member, ...] = ()
    cpus: str = ""
    cpu_weight: int = CPU_WEIGHT

    @property
    def size(self) -> int:
        """How many NFs it runs."""
        return len(self.members) or 1

    def sockets(self, directories: Mapping[str, str | Path]) -> dict[str, str]:
        """The environment that tells the program its sockets; `directories` by instance."""
        if not self.members:
            return {"ONVM_SOCKET": f"{directories[self.instance]}/nf.sock"}
        words = [f"{each.nf}={directories[each.instance]}/nf.sock" for each in self.members]
        return {"ONVM_SOCKETS": " ".join(words)}

    def directories(self) -> dict[str, Path]:
        """The directories of sockets by instance."""
        if not self.members:
            return {self.instance: self.directory}
        return {each.instance: each.directory for each in self.members}


class Handle(Protocol):
    """One instance that runs, or ran."""

    @property
    def pid(self) -> int:
        """Its process on the host."""

    async def ended(self) -> str:
        """Waits until it has ended; returns how, for example "exited with status 1"."""

    async def stop(self) -> None:
        """Ends it, and waits until it has ended."""


class Driver(Protocol):
    """Runs NFs that outlive the manager."""

    async def running(self) -> dict[str, Handle]:
        """The instances of this node that run already, by name."""

    async def start(self, launch: Launch) -> Handle:
        """Starts an instance; raises DriverError and leaves nothing running."""

    async def adjust(self, launch: Launch, pid: int) -> None:
        """Gives a process that runs the CPUs and the weight of its launch.

        Raises DriverError.
        """

    def weighs_by(self, instance: str) -> str:
        """What a process's weight is enforced by: cgroup, or nice."""

    async def remove(self, instance: str) -> None:
        """Removes what an instance that has ended left behind, apart from logs of processes."""

    async def logs(self, instance: str, lines: int) -> str:
        """The last lines that an instance wrote, those of earlier lives included."""


def make(config: NodeConfig) -> Driver:
    """The driver that node.yml names; raises DriverError when it cannot work here."""
    # Whoever runs NFs as processes needs no Docker, and no second to import its SDK.
    if config.runtime == "docker":
        from onvm_runtime.manager.driver_docker import DockerDriver

        return DockerDriver(config)
    from onvm_runtime.manager.driver_process import ProcessDriver

    return ProcessDriver(config)

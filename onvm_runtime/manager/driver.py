# SPDX-License-Identifier: BSD-3-Clause
"""How NFs run: what a driver has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onvm_runtime.manager.config import NodeConfig


@dataclass(frozen=True)
class Launch:
    """What an instance needs to start: its names, and the directory of its socket."""

    instance: str
    service: str
    nf: str
    directory: Path


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

# SPDX-License-Identifier: BSD-3-Clause
"""NFs as Docker containers: no network, no capability, no root, one directory of the host."""

from __future__ import annotations

import hashlib
import json
import signal
from typing import Any

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount, Ulimit

from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.cpu_shares import V1_SHARES
from onvm_runtime.manager.docker_client import SECONDS, Docker
from onvm_runtime.manager.driver import Handle, Launch
from onvm_runtime.manager.failure import DriverError
from onvm_runtime.manager.process import Process

STOP_SECONDS = 3.0
LABEL_NODE, LABEL_INSTANCE, LABEL_SERVICE = "onvm.node", "onvm.instance", "onvm.service"
LABEL_SETTINGS = "onvm.settings"


class ContainerHandle:
    """An NF in a container.  Its end is seen through its process, without asking Docker."""

    def __init__(self, api: Docker, container: Container) -> None:
        self._api = api
        self._container = container
        self._process = _watch(container.attrs["State"]["Pid"])

    @property
    def pid(self) -> int:
        """Its process on the host; 0 when it had ended before it could be watched."""
        return self._process.pid if self._process else 0

    async def ended(self) -> str:
        """Waits until it has ended and Docker knows; returns how."""
        if self._process:
            await self._process.ended()
        try:
            result = await self._api.call(
                "cannot wait for a container", lambda _: self._container.wait(timeout=SECONDS)
            )
        except (NotFound, DriverError) as error:
            return f"ended; how is not known ({error})"
        return _exit_sentence(result["StatusCode"])

    async def stop(self) -> None:
        """Ends it."""
        if self._process:
            await self._process.stop(STOP_SECONDS)
        await self.ended()


class DockerDriver:
    """Runs the images `onvm/<nf>:latest`; none is ever pulled."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._api = Docker()

    async def running(self) -> dict[str, Handle]:
        """The containers of this node that run, by instance."""
        filters: dict[str, str | list[str] | bool] = {
            "status": "running",
            "label": f"{LABEL_NODE}={self._config.node}",
        }
        found = await self._api.call(
            "cannot list containers", lambda client: client.containers.list(filters=filters)
        )
        return {c.labels[LABEL_INSTANCE]: ContainerHandle(self._api, c) for c in found}

    async def start(self, launch: Launch) -> Handle:
        """Starts an instance, in the container that it had before if that is still right.

        Raises DriverError; no container runs then.
        """
        try:
            container = await self._api.call(
                f"cannot start a container for {launch.instance}",
                lambda client: self._start(client, launch),
            )
        except ImageNotFound as error:
            raise DriverError(
                f"there is no image {_image(launch.nf)} on this node: build the NF images first"
            ) from error
        except NotFound as error:
            raise DriverError(f"the container of {launch.instance} was removed") from error
        return ContainerHandle(self._api, container)

    async def adjust(self, launch: Launch, pid: int) -> None:  # noqa: ARG002
        """Gives a container that runs the CPUs and the weight of its launch."""

        def update(client: DockerClient) -> None:
            limits: dict[str, Any] = {"cpu_shares": _shares(launch)}
            if launch.cpus:
                limits["cpuset_cpus"] = launch.cpus
            client.containers.get(self._name(launch.instance)).update(**limits)

        try:
            await self._api.call(f"cannot change the limits of {launch.instance}", update)
        except NotFound as error:
            raise DriverError(f"the container of {launch.instance} was removed") from error

    def weighs_by(self, instance: str) -> str:  # noqa: ARG002
        """A container has a cgroup."""
        return "cgroup"

    async def remove(self, instance: str) -> None:
        """Removes the container of an instance, its log included."""

        def remove(client: DockerClient) -> None:
            client.containers.get(self._name(instance)).remove(force=True)

        try:
            await self._api.call(f"cannot remove the container of {instance}", remove)
        except NotFound:
            return

    async def logs(self, instance: str, lines: int) -> str:
        """The last lines that an instance wrote."""

        def read(client: DockerClient) -> bytes:
            return bytes(client.containers.get(self._name(instance)).logs(tail=lines))

        try:
            text = await self._api.call(f"cannot read the log of {instance}", read)
        except NotFound:
            return ""
        return text.decode(errors="replace").rstrip("\n")

    def _name(self, instance: str) -> str:
        return f"onvm-{self._config.node}-{instance}"

    def _start(self, client: DockerClient, launch: Launch) -> Container:
        """Starts its container; one that cannot be started is replaced.

        An engine that died half-way through a start may never start that container again.
        """
        container = self._container(client, launch)
        try:
            container.start()
        except NotFound:
            raise
        except APIError:
            container.remove(force=True)
            container = self._container(client, launch)
            container.start()
        container.reload()
        return container

    def _container(self, client: DockerClient, launch: Launch) -> Container:
        """The container to start: the old one while nothing about it has changed."""
        image = client.images.get(_image(launch.nf))
        settings = _settings(self._config, launch, str(image.id))
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        try:
            known = client.containers.get(self._name(launch.instance))
            if known.labels.get(LABEL_SETTINGS) == digest:
                return known
            known.remove(force=True)
        except NotFound:
            pass  # the first start of this instance
        labels = {**settings["labels"], LABEL_SETTINGS: digest}
        return client.containers.create(
            **{**settings, "labels": labels},
            name=self._name(launch.instance),
            mounts=_mounts(launch),
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"}),
        )


def _settings(config: NodeConfig, launch: Launch, image: str) -> dict[str, Any]:
    """What may differ from one container to the next; a change makes a new container."""
    return {
        "image": image,
        "environment": launch.sockets(_inside(launch)),
        "network_mode": "none",
        "ipc_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "read_only": True,
        "user": f"{config.nf.user}:{config.nf.user}",
        "mem_limit": config.nf.memory * launch.size,
        "memswap_limit": config.nf.memory * launch.size,
        "pids_limit": config.nf.pids,
        "cpuset_cpus": launch.cpus or None,
        "cpu_shares": _shares(launch),
        "labels": {
            LABEL_NODE: config.node,
            LABEL_INSTANCE: launch.instance,
            LABEL_SERVICE: launch.service,
        },
    }


def _shares(launch: Launch) -> int:
    """Docker's shares, from which it makes cpu.weight where there is cgroup v2."""
    return max(2, launch.cpu_weight * V1_SHARES // 100)


def _inside(launch: Launch) -> dict[str, str]:
    """Where a container sees the directory of each of its NFs."""
    if not launch.members:
        return {launch.instance: "/run/onvm"}
    return {each.instance: f"/run/onvm/{each.instance}" for each in launch.members}


def _mounts(launch: Launch) -> list[Mount]:
    inside = _inside(launch)
    return [
        Mount(inside[name], str(path), type="bind") for name, path in launch.directories().items()
    ]


def _watch(pid: int) -> Process | None:
    """None when a container's process has ended already."""
    try:
        return Process(pid) if pid else None
    except ProcessLookupError:
        return None


def _image(nf: str) -> str:
    return f"onvm/{nf}:latest"


def _exit_sentence(code: int) -> str:
    if code - 128 in signal.valid_signals():
        return f"was killed by {signal.Signals(code - 128).name}"
    return f"exited with status {code}"

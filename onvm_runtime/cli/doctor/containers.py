# SPDX-License-Identifier: BSD-3-Clause
"""Docker: whether it answers, and whether an NF's container starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.doctor.host import Host
from onvm_runtime.manager.config import NodeConfig

_ANSWER_SECONDS = 10
_FAILURES = (DockerException, RequestException, OSError)


def containers(_host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Docker's version and storage driver, and a container like that of an NF."""
    if node.runtime != "docker":
        yield ok(f"not needed: NFs run as {node.runtime}")
        return
    try:
        client = docker.from_env(timeout=_ANSWER_SECONDS)
    except _FAILURES as error:
        yield _unreachable(str(error))
        return
    with closing(client):
        yield from _findings(client)


def _findings(client: Any) -> Iterator[Finding]:
    try:
        about = client.info()
    except _FAILURES as error:
        yield _unreachable(str(error))
        return
    yield ok(f"Docker {about['ServerVersion']}, storage driver {about['Driver']}")
    try:
        yield _trial(client)
    except _FAILURES as error:
        yield fail(
            f"Docker cannot run a container: {error}",
            "Its log says more: journalctl -u docker, or /var/log/docker.log.",
        )


def _unreachable(error: str) -> Finding:
    if "ermission denied" in error:
        return fail(
            "not allowed to use Docker's socket",
            "Run onvm doctor as root, or as a member of the group docker.",
        )
    return fail(
        f"Docker does not answer: {error}",
        "Start it: systemctl start docker, or service docker start; "
        "or set `runtime: process` in node.yml to do without.",
    )


def _trial(client: Any) -> Finding:
    image = next((i for i in client.images.list() if _is_nf(i.tags)), None)
    if image is None:
        return warn("no NF image to try a container with", "Build the images: run site.yml.")
    container = client.containers.create(
        image.id,
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        user="65532:65532",
        pids_limit=16,
    )
    try:
        container.start()
    finally:
        container.remove(force=True)
    return ok(f"a container of {image.tags[0]} starts without network and capabilities")


def _is_nf(tags: list[str]) -> bool:
    return any(tag.startswith("onvm/") for tag in tags)

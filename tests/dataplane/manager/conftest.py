# SPDX-License-Identifier: BSD-3-Clause
"""A node with a manager for each test, and traffic through it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.manager.engine import Engine
from tests.dataplane.manager.managed import CHAIN, Managed
from tests.dataplane.manager.wire import PACE, Namespace, Traffic
from tests.dataplane.plane import eventually, nf_program


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Managed]]:
    """Makes a node with other keys in node.yml; it ends with the test."""
    nodes: list[Managed] = []

    def make_one(**keys: Any) -> Managed:
        nodes.append(Managed(directory, **keys))
        return nodes[-1]

    yield make_one
    for node in nodes:
        node.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"onvm-test-{os.getpid()}")
    for port in ("in", "out"):
        made.wire(port)
    yield made
    made.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A container engine of the test's own, with the image that its NFs need."""
    directory = Path(tempfile.mkdtemp(prefix="onvm-engine-"))
    made = Engine(directory / "engine")
    try:
        made.start()
        made.build("onvm/forward:latest", nf_program("forward"))
        yield made
    finally:
        made.close()
        shutil.rmtree(directory)


@pytest.fixture
def node(make: Callable[..., Managed], namespace: Namespace) -> Managed:
    """A node that runs CHAIN between two ports."""
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(CHAIN)
    return node


@pytest.fixture
def traffic(node: Managed, namespace: Namespace) -> Iterator[Traffic]:  # noqa: ARG001
    """Frames that pass the chain all the time."""
    source, sink = namespace.socket("in"), namespace.socket("out")
    flowing = Traffic(source, sink, PACE)
    try:
        eventually(lambda: len(flowing.arrived) > 100, "traffic flows")
        yield flowing
    finally:
        flowing.stop()
        source.close()
        sink.close()

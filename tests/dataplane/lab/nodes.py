# SPDX-License-Identifier: BSD-3-Clause
"""A lab on this host: nodes that each have a manager and a data plane, joined by veth pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from onvm_runtime.chains.document import write
from onvm_runtime.lab import compile_lab, load, phases
from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import Namespace
from tests.dataplane.plane import eventually

# The ports of a triangle: a client at a, a server at c, and a wire between any two nodes.
PORTS = {
    "a": ("client", "ab", "ac"),
    "b": ("ba", "bc"),
    "c": ("server", "cb", "ca"),
}
WIRES = (("ab", "ba"), ("bc", "cb"), ("ac", "ca"))
EDGES = ("client", "server")
MTU = 1600  # of the wires: a full frame and what is put around it


class Answering(Protocol):
    """A node whose manager can be asked."""

    def get(self, path: str) -> Any:
        """The JSON that the manager answers."""


def links_up(nodes: Iterable[Answering]) -> bool:
    """Whether every end of every link is up, and no way is cut off."""
    return all(
        link["up"] and not link["cut_off"]
        for node in nodes
        for link in node.get("/v1/links")["links"]
    )


LINKS: Mapping[str, str] = {
    "nsh": """
links:
  ab: {ends: [{node: a, port: ab}, {node: b, port: ba}]}
  bc: {ends: [{node: b, port: bc}, {node: c, port: cb}]}
  ac: {ends: [{node: a, port: ac}, {node: c, port: ca}]}
""",
    "vxlan-gpe": """
links:
  ab: {encapsulation: vxlan-gpe, vni: 1, ends: [
       {node: a, port: ab, address: 198.18.1.1/24}, {node: b, port: ba, address: 198.18.1.2/24}]}
  bc: {encapsulation: vxlan-gpe, vni: 2, ends: [
       {node: b, port: bc, address: 198.18.2.1/24}, {node: c, port: cb, address: 198.18.2.2/24}]}
  ac: {encapsulation: vxlan-gpe, vni: 3, ends: [
       {node: a, port: ac, address: 198.18.3.1/24}, {node: c, port: ca, address: 198.18.3.2/24}]}
""",
    "vlan": """
links:
  ab: {encapsulation: vlan, ends: [{node: a, port: ab}, {node: b, port: ba}]}
  bc: {encapsulation: vlan, ends: [{node: b, port: bc}, {node: c, port: cb}]}
  ac: {encapsulation: vlan, ends: [{node: a, port: ac}, {node: c, port: ca}]}
""",
}


class LabOfNodes:
    """Three nodes in one network namespace; everything ends with `close`."""

    def __init__(self, directory: Path, namespace: Namespace) -> None:
        self.namespace = namespace
        for name in EDGES:
            namespace.wire(name)
        for left, right in WIRES:
            namespace.join(left, right, MTU)
        self.nodes = {name: self._node(directory / name, name) for name in PORTS}

    def _node(self, directory: Path, name: str) -> Managed:
        directory.mkdir()
        directory.chmod(0o755)
        ports: list[dict[str, Any]] = [
            {**self.namespace.port(port), "mtu": 1500 if port in EDGES else MTU}
            for port in PORTS[name]
        ]
        return Managed(directory, node=name, ports=ports)

    def start(self) -> None:
        """Starts every manager."""
        self._on_all(Managed.start)

    def _on_all(self, action: Callable[[Managed], None]) -> None:
        """At the same time: each spends most of it waiting."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(action, self.nodes.values()))

    def files(self, text: str) -> dict[str, Any]:
        """What a lab is on every node."""
        return compile_lab(load(text, "lab.yml", PORTS, {"middle": ("b", "c")}))

    def apply(self, text: str) -> None:
        """Has all nodes go through the phases of a change together."""
        wanted = self.files(text)
        steps = {name: phases(node.content(), wanted[name]) for name, node in self.nodes.items()}
        for phase in ("prepare", "switch", "retire"):
            for name, node in self.nodes.items():
                node.apply(write(getattr(steps[name], phase)))

    def links_up(self) -> bool:
        """Whether every end of every link is up."""
        return links_up(self.nodes.values())

    def until_up(self) -> None:
        """Waits until all links are up and all ways over them open."""
        eventually(self.links_up, "all links are up")

    def handled(self, node: str, nf: str) -> int:
        """Packets that an NF of a node has got."""
        stats = self.nodes[node].get("/v1/stats")
        return next(int(one["counters"]["rx"]["packets"]) for one in stats["nfs"]
                    if one["name"] == nf)  # fmt: skip

    def losses(self) -> dict[str, dict[str, int]]:
        """Why packets are missing, by node."""
        return {name: node.losses() for name, node in self.nodes.items()}

    def close(self) -> None:
        """Ends all nodes."""
        self._on_all(Managed.close)

# SPDX-License-Identifier: BSD-3-Clause
"""Three nodes, their cables, what sends packets through them, and the figures of it all.

                n2
              /    \\
    client - n1 ── n3 - server        every node ── controller, by the management network
"""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onvm_runtime.chains.document import Problems, parse
from tests.dataplane.lab.nodes import links_up
from tests.dataplane.manager.wire import ETHERTYPE, PACE, SO_RCVBUFFORCE, Traffic
from tests.dataplane.namespaces import Namespace, ip
from tests.dataplane.plane import eventually
from tests.deploy import playbook
from tests.lab.containers import image
from tests.lab.containers.controller import NETWORK, Controller
from tests.lab.containers.node import Node
from tests.lab.containers.report import Report

# Ports by node; those of links are named after the node at the other end.
PORTS = {"n1": ("client", "n2", "n3"), "n2": ("n1", "n3"), "n3": ("server", "n2", "n1")}
LINKS = (("n1", "n2"), ("n2", "n3"), ("n1", "n3"))
EDGES = {"client": "n1", "server": "n3"}
ADDRESSES = {"client": "198.18.1.1/24", "server": "198.18.1.2/24"}
MTU = 1600  # of links: a full frame and what is put around it
ENGINE = ("docker.service", "docker.socket", "containerd.service")
PAGES = 128  # of 2 MB, for each node
SERVICES = {
    "near": {"nf": "forward", "on": "n1"},
    "middle": {"nf": "forward", "on": "n2"},
    "far": {"nf": "flow_monitor", "on": "n3"},
    "wall": {"nf": "firewall", "on": "n3", "parameters": {"default": "accept"}},
}
THROUGH, STRAIGHT = ["near", "middle", "far"], ["near", "far"]


class Lab:
    """The whole; it ends with `close`."""

    def __init__(self, checkout: Path, folder: Path, report: Report) -> None:
        self.report = report
        self._stack = contextlib.ExitStack()
        self.controller = Controller(checkout, folder)
        self._stack.callback(self.controller.close)
        made = image.provide(checkout)
        self._stack.callback(image.remove, checkout)
        self.nodes = {name: self._node(name, made) for name in PORTS}
        self.before: dict[str, dict[str, str]] = {}  # what the nodes were
        self.ends = {name: self._end(name) for name in EDGES}
        self.describe(THROUGH)

    def _node(self, name: str, image_name: str) -> Node:
        node = Node(name, image_name, self.controller.public_key)
        self._stack.callback(node.close)
        node.start()
        return node

    def _end(self, name: str) -> Namespace:
        namespace = Namespace(f"lab-{name}")
        self._stack.callback(namespace.close)
        return namespace

    def connect(self) -> None:
        """Plug the cables in."""
        for number, (name, node) in enumerate(self.nodes.items(), start=11):
            hub = self.controller.namespace
            cable(node.namespace, "management", hub.name, f"m-{name}")
            hub.ip("link", "set", f"m-{name}", "master", "management", "up")
            node.plug("management", address=f"{NETWORK}.{number}/24")
        for left, right in LINKS:
            cable(self.nodes[left].namespace, right, self.nodes[right].namespace, left)
            self.nodes[left].plug(right, MTU)
            self.nodes[right].plug(left, MTU)
        for end, node in EDGES.items():
            cable(self.nodes[node].namespace, end, self.ends[end].name, "eth0")
            self.nodes[node].plug(end)
            self.ends[end].address("eth0", ADDRESSES[end])

    def until_booted(self) -> None:
        """Wait for every node, note what it is, and stop the engines: bare hosts run none."""
        for name, node in self.nodes.items():
            node.until_booted()
            node.run("systemctl", "disable", "--now", *ENGINE)
            self.before[name] = node.state()

    def describe(self, path: list[str], *, backup: bool = False, **variables: Any) -> None:
        """Write the inventory with one chain, and another one as its backup when asked.

        variables: those of the group, beside the usual ones.
        """
        ends = {
            "ingress": {"node": "n1", "port": "client"},
            "egress": {"node": "n3", "port": "server"},
            "bidirectional": True,
        }
        chain = {"name": "web", **ends, "path": path, **({"backup": "spare"} if backup else {})}
        spare = [{"name": "spare", **ends, "path": STRAIGHT}] if backup else []
        used = {*path, *(STRAIGHT if backup else [])}
        group = {
            **self.controller.variables(),
            "onvm_hugepages_count": PAGES,
            "onvm_runtime_bench": False,
            "onvm_runtime_build_on": "controller",
            "onvm_runtime_nf_limits": {"placement": "shared"},
            "onvm_runtime_dataplane": {"buffers": 4096, "hugepages": "required"},
            "onvm_chains_lab_links": {
                f"{left}-{right}": {"ends": [
                    {"node": left, "port": right}, {"node": right, "port": left},
                ]} for left, right in LINKS
            },
            "onvm_chains_lab_services": {
                name: body for name, body in SERVICES.items() if name in used
            },
            "onvm_chains_lab_chains": [chain, *spare],
            **variables,
        }  # fmt: skip
        hosts = {name: self._host(number, name) for number, name in enumerate(PORTS, start=11)}
        self.controller.write({"nodes": {"vars": group, "hosts": hosts}})

    def _host(self, number: int, name: str) -> dict[str, Any]:
        ports = [
            {
                "name": port, "kind": "af_packet", "interface": port,
                "mtu": 1500 if port in EDGES else MTU,
            }
            for port in PORTS[name]
        ]  # fmt: skip
        return {"ansible_host": f"{NETWORK}.{number}", "onvm_runtime_ports": ports}

    def links_up(self) -> bool:
        """Whether every end of every link is up, and no way is cut off."""
        return links_up(self.nodes.values())

    def until_up(self) -> None:
        """Wait for all managers and links."""
        for node in self.nodes.values():
            eventually(node.answers, f"the manager of {node.name} answers", 30)
        eventually(self.links_up, "all links are up", 30)

    def measured(self, what: str, *words: str) -> playbook.Run:
        """Run playbooks, which must succeed, and report the time that they took.

        Seconds depend on what else the machine does; those of CPUs hardly do.
        """
        nodes = sum(node.cpu_seconds() for node in self.nodes.values())
        here = _children_seconds()
        play = self.controller.begin(*words)
        run = play.wait().succeeded()
        nodes = sum(node.cpu_seconds() for node in self.nodes.values()) - nodes
        here = _children_seconds() - here
        count = len(self.nodes)
        self.report.row(
            what, f"{play.seconds:.0f}", f"{play.seconds / count:.1f}", f"{here:.1f}",
            f"{nodes / count:.1f}", run.output.count("\nTASK ["), run.changed,
        )  # fmt: skip
        return run

    def roll_out(self, path: list[str], *, backup: bool = False) -> float:
        """Describe a chain and run playbooks/chains.yml; returns the seconds that took."""
        self.describe(path, backup=backup)
        play = self.controller.begin("playbooks/chains.yml")
        play.wait().succeeded()
        return play.seconds

    def chains(self, node: str) -> dict[str, Any]:
        """The content of the chains file in force on a node."""
        root = parse(self.nodes[node].get("/v1/spec")["text"], Problems(node))
        return root.plain() if root else {}

    def all_chains(self) -> dict[str, dict[str, Any]]:
        """Those of every node."""
        return {name: self.chains(name) for name in self.nodes}

    def handled(self, nf: str) -> int:
        """Packets that an NF has got; 0 when there is none of this name."""
        return sum(
            int(one["counters"]["rx"]["packets"])
            for node in self.nodes.values()
            for one in node.get("/v1/stats")["nfs"]
            if one["name"] == nf
        )

    def revive(self, name: str) -> None:
        """Switch a node on that was killed."""
        self.nodes[name].start()
        self.nodes[name].until_booted()

    def losses(self) -> dict[str, dict[str, int]]:
        """Why packets are missing, by node."""
        return {name: node.losses() for name, node in self.nodes.items() if node.answers()}

    @contextlib.contextmanager
    def traffic(self, pace: float = PACE) -> Iterator[Traffic]:
        """Numbered frames from the client to the server all the time, `pace` of them a second."""
        with self._socket("client") as source, self._socket("server") as sink:
            flowing = Traffic(source, sink, pace)
            try:
                eventually(lambda: len(flowing.arrived) > 100, f"it flows: {self.losses()}", 20)
                yield flowing
            finally:
                flowing.stop()

    def _socket(self, end: str) -> socket.socket:
        opened = self.ends[end].socket(socket.AF_PACKET, socket.SOCK_RAW)
        # Who is kept waiting for a CPU shall not take its own losses for the lab's.
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        opened.bind(("eth0", ETHERTYPE))
        return opened

    def cut(self, left: str, right: str) -> None:
        """Take a link down."""
        ip("-n", self.nodes[left].namespace, "link", "set", right, "down")

    def mend(self, left: str, right: str) -> None:
        """Bring it up again."""
        ip("-n", self.nodes[left].namespace, "link", "set", right, "up")

    def close(self) -> None:
        """End it all, the last first."""
        self._stack.close()


def _children_seconds() -> float:
    """Time of CPUs used by processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cable(left: str, left_end: str, right: str, right_end: str) -> None:
    """A veth pair from one network namespace to another."""
    ip(
        *("link", "add", left_end, "netns", left, "type", "veth"),
        *("peer", "name", right_end, "netns", right),
    )

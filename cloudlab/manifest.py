# SPDX-License-Identifier: BSD-3-Clause
"""What a CloudLab manifest says of the nodes of an experiment: a GENI RSpec, version 3.

The interfaces in it are those for experiments. The control NIC, which carries SSH, is never
among them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

RSPEC = "{http://www.geni.net/resources/rspec/3}"
EMULAB = "{http://www.protogeni.net/resources/rspec/ext/emulab/1}"


class ManifestError(Exception):
    """The text is no manifest that names nodes."""


@dataclass(frozen=True)
class Interface:
    """One experiment NIC. `name` is the request's, `mac` lower case with colons."""

    name: str
    mac: str
    address: str
    netmask: str


@dataclass(frozen=True)
class Node:
    """One machine, and how to log in to it."""

    name: str
    host: str
    user: str
    port: int
    hardware: str
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True)
class Link:
    """Interfaces that reach each other, by name."""

    name: str
    interfaces: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """All nodes and links of an experiment."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def interface(self, name: str) -> tuple[Node, Interface] | None:
        """An interface of that name, with its node."""
        for node in self.nodes:
            for interface in node.interfaces:
                if interface.name == name:
                    return node, interface
        return None


def read(text: str) -> Manifest:
    """Reads a manifest; raises ManifestError."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ManifestError(f"it is not XML: {error}") from error
    if root.tag != f"{RSPEC}rspec" or root.get("type") != "manifest":
        raise ManifestError("it is no RSpec of type manifest: take what `geni-get manifest` prints")
    nodes = tuple(_node(node) for node in root.findall(f"{RSPEC}node"))
    if not nodes:
        raise ManifestError("it names no nodes")
    return Manifest(nodes, tuple(_link(link) for link in root.findall(f"{RSPEC}link")))


def _node(node: ET.Element) -> Node:
    name = node.get("client_id", "")
    login = node.find(f"{RSPEC}services/{RSPEC}login")
    host = node.find(f"{RSPEC}host")
    if login is None and host is None:
        raise ManifestError(f"node {name} has neither a login nor a host name")
    fallback = host.get("name", "") if host is not None else ""
    return Node(
        name=name,
        host=login.get("hostname", fallback) if login is not None else fallback,
        user=login.get("username", "root") if login is not None else "root",
        port=int(login.get("port", "22")) if login is not None else 22,
        hardware=_hardware(node),
        interfaces=tuple(_interface(item) for item in node.findall(f"{RSPEC}interface")),
    )


def _hardware(node: ET.Element) -> str:
    """The type that was given, else the one that was asked for."""
    given = node.find(f"{EMULAB}vnode")
    asked = node.find(f"{RSPEC}hardware_type")
    for element, key in ((given, "hardware_type"), (asked, "name")):
        if element is not None and element.get(key):
            return element.get(key, "")
    return ""


def _interface(element: ET.Element) -> Interface:
    digits = element.get("mac_address", "").replace(":", "").lower()
    address = element.find(f"{RSPEC}ip")
    return Interface(
        name=element.get("client_id", ""),
        mac=":".join(digits[i : i + 2] for i in range(0, len(digits), 2)),
        address=address.get("address", "") if address is not None else "",
        netmask=address.get("netmask", "") if address is not None else "",
    )


def _link(element: ET.Element) -> Link:
    ends = element.findall(f"{RSPEC}interface_ref")
    return Link(element.get("client_id", ""), tuple(end.get("client_id", "") for end in ends))

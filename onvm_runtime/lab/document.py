# SPDX-License-Identifier: BSD-3-Clause
"""Reading and checking the description of a lab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from onvm_runtime.chains import limits, values
from onvm_runtime.chains.document import Content, Fields, Node, Problems, parse
from onvm_runtime.chains.problem import suggest
from onvm_runtime.chains.spec import Json, Places
from onvm_runtime.lab import rules
from onvm_runtime.lab.spec import End, Endpoint, Hop, Lab, LabChain, LabService, Link

_LAB_KEYS = ("links", "services", "chains")
_LINK_KEYS = ("ends", "encapsulation", "mtu", "vni")
_END_KEYS = ("node", "port", "address", "gateway")
_CHAIN_KEYS = (
    "name", "ingress", "match", "priority", "path", "egress", "bidirectional", "backup",
)  # fmt: skip
_PLACE = "on"

# Names of what a chain becomes on nodes are longer: "-32-back-s16".
_CHAIN_NAME = limits.NAME - 12

Groups = Mapping[str, Sequence[str]]


def load(text: str, source: str, nodes: Mapping[str, Sequence[str]], groups: Groups) -> Lab:
    """Reads a lab; `source` names it in problems.

    `nodes` are the ports of every node by its name, `groups` the nodes of every
    group.  Raises SpecError with everything that is wrong.
    """
    problems = Problems(source)
    reader = _Reader(problems, nodes, groups)
    lab = reader.lab(parse(text, problems))
    rules.apply(lab, problems)
    problems.refuse_any()
    return lab


class _Reader:
    """Reads parts of a lab; what cannot be read is neutral and noted."""

    def __init__(
        self, problems: Problems, nodes: Mapping[str, Sequence[str]], groups: Groups
    ) -> None:
        self._problems = problems
        self._nodes = {name: tuple(ports) for name, ports in nodes.items()}
        self._groups = groups

    def lab(self, root: Node | None) -> Lab:
        if root is None:
            return Lab(self._nodes)
        fields = Fields(root, self._problems, _LAB_KEYS)
        links = {name: self._link(name, node) for name, node in fields.entries("links").items()}
        services = {
            name: self._service(name, node) for name, node in fields.entries("services").items()
        }
        return Lab(
            nodes=self._nodes,
            links={name: link for name, link in links.items() if link is not None},
            services=services,
            chains=tuple(self._chain(node, services) for node in fields.items("chains")),
            places=Places(self._problems.file, {node.key: node.line for node in root.walk()}),
        )

    def _link(self, name: str, node: Node) -> Link | None:
        self._check_name(name, node)
        fields = Fields(node, self._problems, _LINK_KEYS, required=("ends",))
        ends = [self._end(item) for item in fields.items("ends")]
        link = Link(
            name=name,
            ends=(End("", ""), End("", "")),
            encapsulation=fields.take("encapsulation", values.encapsulation, "nsh"),
            mtu=fields.take("mtu", values.integer(*limits.LINK_MTU), None),
            vni=fields.take("vni", values.integer(0, limits.VNI), 0),
        )
        if len(ends) != 2:
            self._problems.add(f"{node.key}.ends", node.line, "must list the link's two ends")
            return None
        return Link(link.name, (ends[0], ends[1]), link.encapsulation, link.mtu, link.vni)

    def _end(self, node: Node) -> End:
        fields = Fields(node, self._problems, _END_KEYS, required=("node", "port"))
        return End(
            node=fields.take("node", values.text, ""),
            port=fields.take("port", values.text, ""),
            address=fields.take("address", values.interface, None),
            gateway=fields.take("gateway", values.address, None),
        )

    def _service(self, name: str, node: Node) -> LabService:
        self._check_name(name, node)
        content = node.content if isinstance(node.content, dict) else {}
        body = {key: value.plain() for key, value in content.items() if key != _PLACE}
        replicas = body.get("replicas", 1)
        if _PLACE not in content:
            self._problems.add(
                node.key, node.line, "needs the key 'on': the nodes or groups where it runs"
            )
        return LabService(
            name=name,
            nodes=self._places(content.get(_PLACE)),
            replicas=replicas if isinstance(replicas, int) else 1,
            body=body,
        )

    def _chain(self, node: Node, services: Mapping[str, LabService]) -> LabChain:
        required = ("name", "ingress", "egress")
        fields = Fields(node, self._problems, _CHAIN_KEYS, required)
        return LabChain(
            name=fields.take("name", values.name(_CHAIN_NAME), ""),
            ingress=self._endpoint(fields.node("ingress")),
            egress=self._endpoint(fields.node("egress")),
            path=tuple(self._hop(item, services) for item in fields.items("path")),
            match=tuple(_matches(fields.node("match"))),
            priority=fields.take("priority", values.integer(0, limits.PRIORITY), 0),
            bidirectional=fields.take("bidirectional", values.boolean, False),
            backup=fields.take("backup", values.text, None),
        )

    def _endpoint(self, node: Node | None) -> Endpoint:
        if node is None:
            return Endpoint("", "")
        fields = Fields(node, self._problems, ("node", "port"), required=("node", "port"))
        return Endpoint(fields.take("node", values.text, ""), fields.take("port", values.text, ""))

    def _hop(self, node: Node, services: Mapping[str, LabService]) -> Hop:
        """`service`, or `service@place` for some of the nodes where it runs."""
        written = node.content if isinstance(node.content, str) else ""
        name, at, place = written.partition("@")
        if name not in services:
            self._problems.add(node.key, node.line, f"no service {name!r}; "
                               f"{suggest(name, services)}")  # fmt: skip
            return Hop("", ())
        if not at:
            return Hop(name, services[name].nodes)
        return Hop(name, self._place(place, node))

    def _places(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        items = node.content if isinstance(node.content, list) else [node]
        found = [name for item in items for name in self._place(item.content, item)]
        return tuple(dict.fromkeys(found))

    def _place(self, content: Content, node: Node) -> tuple[str, ...]:
        """The nodes that a word names: one, or those of a group."""
        name = content if isinstance(content, str) else ""
        if name in self._nodes:
            return (name,)
        members = [member for member in self._groups.get(name, ()) if member in self._nodes]
        if not members:
            known = [*self._nodes, *self._groups]
            self._problems.add(
                node.key, node.line, f"no node or group {name!r}; {suggest(name, known)}"
            )
        return tuple(members)

    def _check_name(self, name: str, node: Node) -> None:
        try:
            values.check_name(name, limits.SERVICE_NAME)
        except ValueError as error:
            self._problems.add(node.key, node.line, str(error))


def _matches(node: Node | None) -> Iterable[Mapping[str, Json]]:
    if node is None:
        return
    for item in node.content if isinstance(node.content, list) else [node]:
        if isinstance(item.content, dict):
            yield {key: value.plain() for key, value in item.content.items()}

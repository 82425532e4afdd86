# SPDX-License-Identifier: BSD-3-Clause
"""Reading and checking a chains file."""

from __future__ import annotations

from collections.abc import Collection

from onvm_runtime.chains import limits, match_rules, node_rules, rules, values
from onvm_runtime.chains.catalogue import Catalogue
from onvm_runtime.chains.document import Fields, Node, Problems, parse, write
from onvm_runtime.chains.spec import (
    BY_RATE,
    CPU_WEIGHT,
    Autoscale,
    Chain,
    Egress,
    Exit,
    Json,
    LabSpec,
    LinkEnd,
    Match,
    Placement,
    Places,
    Service,
    Version,
)

_LAB_KEYS = ("services", "links", "chains", "default")
_SERVICE_KEYS = (
    "nf", "replicas", "parameters", "to", "fuse", "placement", "cpu_weight", "weights", "stateful",
    "drain_seconds", "autoscale",
)  # fmt: skip
_AUTOSCALE_KEYS = (
    "min", "max", "metric", "high", "low", "up_seconds", "down_seconds", "cooldown_seconds",
)  # fmt: skip
_CHAIN_KEYS = (
    "name", "match", "priority", "path", "egress", "bidirectional", "lanes", "backup", "returns",
    "way_back", "closed", "also",
)  # fmt: skip
_VERSION_KEYS = ("match", "path", "egress", "returns", "closed")
_EXIT_KEYS = ("link", "path_id", "index")
_LINK_KEYS = (
    "port", "peer", "encapsulation", "mtu", "address", "gateway", "peer_address", "vni",
)  # fmt: skip
_MATCH_KEYS = (
    "port", "vlan", "ethertype", "source_mac", "destination_mac", "source", "destination",
    "protocol", "source_ports", "destination_ports", "link", "path_id", "index",
)  # fmt: skip

_AUTOSCALE_PRESETS = {
    "queue": {"high": 256.0, "low": 16.0},  # packets, of 1024 that fit
    "cpu": {"high": 75.0, "low": 25.0},  # percent of a core
}

_NO_MATCH = Match()


def load(text: str, source: str) -> LabSpec:
    """Reads a chains file; `source` names it in problems.

    Raises SpecError with everything that is wrong in the file itself.
    """
    problems = Problems(source)
    spec = _read(text, problems)
    rules.apply(spec, problems)
    match_rules.apply(spec, problems)
    problems.refuse_any()
    return spec


def validate(
    spec: LabSpec, catalogue: Catalogue, ports: Collection[str], cpus: Collection[int] = ()
) -> None:
    """Checks a loaded spec against the NFs, ports and CPUs of a node.

    Raises SpecError: unknown NFs, parameters that break an NF's schema, unknown ports, and a
    placement on CPUs that the node does not have (`cpus` empty: it does not know).
    """
    problems = Problems(spec.places.file)
    node_rules.apply(spec, catalogue, ports, problems, cpus)
    problems.refuse_any()


def check(
    text: str,
    source: str,
    catalogue: Catalogue,
    ports: Collection[str],
    cpus: Collection[int] = (),
) -> LabSpec:
    """`load` and `validate` in one, so that one SpecError holds the problems of both."""
    problems = Problems(source)
    spec = _read(text, problems)
    rules.apply(spec, problems)
    match_rules.apply(spec, problems)
    node_rules.apply(spec, catalogue, ports, problems, cpus)
    problems.refuse_any()
    return spec


def dump(spec: LabSpec) -> str:
    """The text of a chains file that `load` reads as this very spec."""
    return write({name: value for name, value in spec.to_json().items() if value not in (None, {})})


def _read(text: str, problems: Problems) -> LabSpec:
    """As much of a spec as can be read; every value in it that has a problem is neutral."""
    root = parse(text, problems)
    if root is None:
        return LabSpec()
    lab = Fields(root, problems, _LAB_KEYS)
    return LabSpec(
        services={
            name: _service(name, node, problems) for name, node in lab.entries("services").items()
        },
        chains=tuple(_chain(node, problems) for node in lab.items("chains")),
        default=lab.take("default", values.text, None),
        links={name: _link(name, node, problems) for name, node in lab.entries("links").items()},
        places=Places(problems.file, {node.key: node.line for node in root.walk()}),
    )


def _service(name: str, node: Node, problems: Problems) -> Service:
    try:
        values.check_name(name, limits.SERVICE_NAME)
    except ValueError as error:
        problems.add(node.key, node.line, str(error))
    fields = Fields(node, problems, _SERVICE_KEYS, required=("nf",))
    autoscale = _autoscale(fields.node("autoscale"), problems)
    fewest = autoscale.min if autoscale else 1
    weight = fields.take("cpu_weight", values.cpu_weight, CPU_WEIGHT)
    return Service(
        name=name,
        nf=fields.take("nf", values.text, ""),
        replicas=fields.take("replicas", values.integer(1, limits.INSTANCES), fewest),
        weights=fields.each("weights", values.integer(0, limits.WEIGHT), 1),
        stateful=fields.take("stateful", values.boolean, None),
        drain_seconds=fields.take(
            "drain_seconds", values.integer(0, limits.DRAIN_SECONDS), Service.drain_seconds
        ),
        autoscale=autoscale,
        parameters=_parameters(fields.entries("parameters")),
        branches=fields.each("to", values.text, ""),
        fuse=fields.take("fuse", values.boolean, False),
        placement=_placement(fields),
        cpu_weight=weight if isinstance(weight, int) else CPU_WEIGHT,
        by_rate=weight == BY_RATE,
    )


def _placement(fields: Fields) -> Placement | None:
    """A word, or CPUs: as a list, or as text."""
    node = fields.node("placement")
    if node is not None and isinstance(node.content, list):
        return fields.each("placement", values.integer(0, limits.CPU), 0)
    return fields.take("placement", values.placement, None)


def _autoscale(node: Node | None, problems: Problems) -> Autoscale | None:
    if node is None:
        return None
    fields = Fields(node, problems, _AUTOSCALE_KEYS, required=("min", "max"))
    count, seconds = values.integer(1, limits.INSTANCES), values.integer(0, limits.DRAIN_SECONDS)
    metric = fields.take("metric", values.one_of("queue", "cpu"), "queue")
    presets = _AUTOSCALE_PRESETS[metric]
    return Autoscale(
        min=fields.take("min", count, 1),
        max=fields.take("max", count, limits.INSTANCES),
        metric=metric,
        high=fields.take("high", values.positive, presets["high"]),
        low=fields.take("low", values.positive, presets["low"]),
        up_seconds=fields.take("up_seconds", seconds, Autoscale.up_seconds),
        down_seconds=fields.take("down_seconds", seconds, Autoscale.down_seconds),
        cooldown_seconds=fields.take("cooldown_seconds", seconds, Autoscale.cooldown_seconds),
    )


def _parameters(entries: dict[str, Node]) -> dict[str, Json]:
    return {name: node.plain() for name, node in entries.items()}


def _link(name: str, node: Node, problems: Problems) -> LinkEnd:
    fields = Fields(node, problems, _LINK_KEYS, required=("port", "peer"))
    return LinkEnd(
        name=name,
        port=fields.take("port", values.text, ""),
        peer=fields.take("peer", values.text, ""),
        encapsulation=fields.take("encapsulation", values.encapsulation, "nsh"),
        mtu=fields.take("mtu", values.integer(*limits.LINK_MTU), None),
        address=fields.take("address", values.interface, None),
        gateway=fields.take("gateway", values.address, None),
        peer_address=fields.take("peer_address", values.address, None),
        vni=fields.take("vni", values.integer(0, limits.VNI), None),
    )


def _chain(node: Node, problems: Problems) -> Chain:
    spreads = isinstance(node.content, dict) and "lanes" in node.content
    required = ("name",) if spreads else ("name", "egress")
    fields = Fields(node, problems, _CHAIN_KEYS, required=required)
    return Chain(
        name=fields.take("name", values.name(limits.NAME), ""),
        egress=_egress(fields.node("egress"), problems),
        path=fields.each("path", values.text, ""),
        match=tuple(_match(item, problems) for item in _match_nodes(fields)),
        priority=fields.take("priority", values.integer(0, limits.PRIORITY), 0),
        bidirectional=fields.take("bidirectional", values.boolean, False),
        lanes=fields.each("lanes", values.text, ""),
        backup=fields.each("backup", values.text, ""),
        returns=fields.take("returns", values.text, None),
        way_back=fields.take("way_back", values.boolean, False),
        closed=fields.take("closed", values.boolean, False),
        also=tuple(_version(item, problems) for item in fields.items("also")),
    )


def _version(node: Node, problems: Problems) -> Version:
    fields = Fields(node, problems, _VERSION_KEYS, required=("match", "egress"))
    return Version(
        match=tuple(_match(item, problems) for item in _match_nodes(fields)),
        egress=_egress(fields.node("egress"), problems),
        path=fields.each("path", values.text, ""),
        returns=fields.take("returns", values.text, None),
        closed=fields.take("closed", values.boolean, False),
    )


def _egress(node: Node | None, problems: Problems) -> Egress:
    """The name of a port, or the mapping of an exit to another node."""
    if node is None:
        return ""
    if isinstance(node.content, dict):
        fields = Fields(node, problems, _EXIT_KEYS, required=("link", "path_id"))
        return Exit(
            link=fields.take("link", values.text, ""),
            path_id=fields.take("path_id", values.integer(1, limits.PATH_ID), 0),
            index=fields.take("index", values.integer(1, 255), None),
        )
    try:
        return values.text(node.content)
    except ValueError as error:
        problems.add(node.key, node.line, str(error))
        return ""


def _match_nodes(fields: Fields) -> list[Node]:
    node = fields.node("match")
    if node is None:
        return []
    return node.content if isinstance(node.content, list) else [node]


def _match(node: Node, problems: Problems) -> Match:
    if node.content is None or node.content == {}:
        problems.add(
            node.key, node.line, "matches every packet: name a key, or make the chain the default"
        )
        return _NO_MATCH
    fields = Fields(node, problems, _MATCH_KEYS)
    return Match(
        port=fields.take("port", values.text, None),
        vlan=fields.take("vlan", values.integer(0, 4094), None),
        ethertype=fields.take("ethertype", values.ethertype, None),
        source_mac=fields.take("source_mac", values.mac, None),
        destination_mac=fields.take("destination_mac", values.mac, None),
        source=fields.take("source", values.prefix, None),
        destination=fields.take("destination", values.prefix, None),
        protocol=fields.take("protocol", values.protocol, None),
        source_ports=fields.take("source_ports", values.l4_ports, None),
        destination_ports=fields.take("destination_ports", values.l4_ports, None),
        link=fields.take("link", values.text, None),
        path_id=fields.take("path_id", values.integer(1, limits.PATH_ID), None),
        index=fields.take("index", values.integer(1, 255), None),
    )

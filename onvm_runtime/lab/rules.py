# SPDX-License-Identifier: BSD-3-Clause
"""What must hold in a lab: references, ports with one use, ways between nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from onvm_runtime.chains import limits
from onvm_runtime.chains.document import Problems
from onvm_runtime.chains.problem import suggest
from onvm_runtime.lab import lanes
from onvm_runtime.lab.routing import Routing
from onvm_runtime.lab.spec import End, Endpoint, Lab, LabChain

Found = Iterator[tuple[str, str]]


def apply(lab: Lab, problems: Problems) -> None:
    """Adds every problem that the lab has in itself."""
    found = [
        (key, message) for rule in _RULES for key, message in rule(lab) if not problems.within(key)
    ]
    for key, message in found:
        problems.add(key, lab.places.line(key), message)


def _ends(lab: Lab) -> Iterator[tuple[str, End]]:
    for link in lab.links.values():
        for n, end in enumerate(link.ends):
            yield f"links.{link.name}.ends[{n}]", end


def _named_ports(lab: Lab) -> Iterator[tuple[str, End | Endpoint]]:
    yield from _ends(lab)
    for index, chain in enumerate(lab.chains):
        yield f"chains[{index}].ingress", chain.ingress
        yield f"chains[{index}].egress", chain.egress


def _unknown_places(lab: Lab) -> Found:
    for key, place in _named_ports(lab):
        if place.node and place.node not in lab.nodes:
            yield f"{key}.node", f"no node {place.node!r}; {suggest(place.node, lab.nodes)}"
        elif place.node and place.port and place.port not in lab.nodes[place.node]:
            ports = lab.nodes[place.node]
            yield (
                f"{key}.port",
                f"node {place.node} has no port {place.port!r}; {suggest(place.port, ports)}",
            )


def _links_to_oneself(lab: Lab) -> Found:
    for link in lab.links.values():
        if link.ends[0].node and link.ends[0].node == link.ends[1].node:
            yield f"links.{link.name}.ends", "both ends are at one node: a link joins two"


def _ports_used_twice(lab: Lab) -> Found:
    """VLAN and Ethernet frames of two links would meet on one port; routed links share one."""
    uses = Counter(
        (end.node, end.port)
        for link in lab.links.values()
        if link.encapsulation != "vxlan-gpe"
        for end in link.ends
    )
    for key, end in _ends(lab):
        if uses[end.node, end.port] > 1:
            yield key, f"port {end.port} of node {end.node} is the end of another link too"


def _missing_addresses(lab: Lab) -> Found:
    for key, end in _ends(lab):
        routed = lab.links[key.split(".")[1]].encapsulation == "vxlan-gpe"
        if routed and end.address is None:
            yield key, "needs an address: packets of a vxlan-gpe link are routed"
        if not routed and (end.address or end.gateway):
            yield key, "has an address, which only a vxlan-gpe link uses: remove it"


def _repeated_names(lab: Lab) -> Found:
    names = Counter(chain.name for chain in lab.chains if chain.name)
    for index, chain in enumerate(lab.chains):
        if names[chain.name] > 1:
            yield f"chains[{index}].name", f"chain {chain.name!r} is there twice: rename one"


def _hops_elsewhere(lab: Lab) -> Found:
    for index, chain in enumerate(lab.chains):
        for n, hop in enumerate(chain.path):
            stray = [node for node in hop.nodes if node not in lab.services[hop.service].nodes]
            if hop.service and stray:
                yield (
                    f"chains[{index}].path[{n}]",
                    f"{hop.service} does not run on {', '.join(stray)}: add it to its 'on'",
                )


def _wrong_backups(lab: Lab) -> Found:
    names = [chain.name for chain in lab.chains]
    for index, chain in enumerate(lab.chains):
        if chain.backup is None:
            continue
        key = f"chains[{index}].backup"
        if chain.backup not in names:
            yield key, f"no chain {chain.backup!r}; {suggest(chain.backup, names)}"
        else:
            yield from _unfit_backup(key, chain, lab.chain(chain.backup))


def _unfit_backup(key: str, chain: LabChain, backup: LabChain) -> Found:
    if backup.backup is not None:
        yield key, f"{backup.name} has a backup itself: backups are one deep"
    if (backup.ingress, backup.egress) != (chain.ingress, chain.egress):
        yield key, f"{backup.name} has another ingress or egress: a backup must have the same"
    if backup.bidirectional != chain.bidirectional:
        yield key, f"{backup.name} and {chain.name} must both be bidirectional, or neither"


def _unreachable(lab: Lab) -> Found:
    routing = Routing(lab.links)
    for index, chain in enumerate(lab.chains):
        steps = [(chain.ingress.node,), *(hop.nodes for hop in chain.path), (chain.egress.node,)]
        for n, (here, there) in enumerate(pairwise(steps)):
            cut = [
                f"{a} to {b}" for a in here for b in there if a and b and not routing.joined(a, b)
            ]
            if cut:
                where = f"path[{n}]" if n < len(chain.path) else "egress"
                yield f"chains[{index}].{where}", f"no links lead from {cut[0]}: add one"


def _too_many_lanes(lab: Lab) -> Found:
    for index, chain in enumerate(lab.chains):
        ways = lanes.count(chain)
        if ways > limits.LANES:
            yield (
                f"chains[{index}].path",
                f"its replicas on several nodes make {ways} ways, more than {limits.LANES}: "
                "use numbers of replicas that have common divisors",
            )


_RULES = (
    _unknown_places,
    _links_to_oneself,
    _ports_used_twice,
    _missing_addresses,
    _repeated_names,
    _hops_elsewhere,
    _wrong_backups,
    _unreachable,
    _too_many_lanes,
)

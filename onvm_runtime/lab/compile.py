# SPDX-License-Identifier: BSD-3-Clause
"""From a lab to one chains file for each node.

What a chain becomes on nodes
  NAME            a chain with one lane and no backup
  NAME-1 …        else its lanes, and
  NAME            what spreads packets over them, where they enter
  NAME-back …     likewise for the way back; what spreads it is NAME-all-back, since while a
                  lab changes, packets of a lane NAME may still have to find NAME-back
  …-s2 …          the second time that a lane passes the same node
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from onvm_runtime.chains.problem import Problem, SpecError
from onvm_runtime.chains.spec import Json
from onvm_runtime.lab.lanes import Lane, Visit, is_backup, is_spread, lanes, names
from onvm_runtime.lab.spec import Lab, LabChain, Link

_TURNED = {
    "source": "destination",
    "source_mac": "destination_mac",
    "source_ports": "destination_ports",
}
_TURNED |= {there: here for here, there in _TURNED.items()}


@dataclass
class _NodeFile:
    """A chains file that grows."""

    services: dict[str, Json] = field(default_factory=dict)
    links: dict[str, Json] = field(default_factory=dict)
    chains: list[Json] = field(default_factory=list)

    def to_json(self) -> dict[str, Json]:
        return {"services": self.services, "links": self.links, "chains": self.chains}


def compile_lab(lab: Lab) -> dict[str, dict[str, Json]]:
    """The content of the chains file of every node.

    Raises SpecError where two lanes would have one path id, or one VLAN id on a link.
    """
    return _Compiler(lab).files()


class _Compiler:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._files: dict[str, _NodeFile] = defaultdict(_NodeFile)
        self._path_ids: dict[int, str] = {}
        self._vlans: dict[tuple[str, int], tuple[int, int]] = {}

    def files(self) -> dict[str, dict[str, Json]]:
        for node in self._lab.nodes:
            self._files[node].services = dict(self._services(node))
            self._files[node].links = dict(self._links(node))
        for index, chain in enumerate(self._lab.chains):
            self._chain(index, chain)
        return {node: self._files[node].to_json() for node in self._lab.nodes}

    def _services(self, node: str) -> Iterator[tuple[str, Json]]:
        for service in self._lab.services.values():
            if node in service.nodes:
                yield service.name, dict(service.body)

    def _links(self, node: str) -> Iterator[tuple[str, Json]]:
        for link in self._lab.links.values():
            if node in (end.node for end in link.ends):
                yield link.name, _link(link, node)

    def _chain(self, index: int, chain: LabChain) -> None:
        for back in (False, True) if chain.bidirectional else (False,):
            directed = lanes(self._lab, chain, back)
            for lane in directed:
                self._claim(index, chain, lane)
                self._lane(index, chain, lane, back)
            if is_spread(self._lab, chain):
                self._spread(chain, back)

    def _spread(self, chain: LabChain, back: bool) -> None:
        node = (chain.egress if back else chain.ingress).node
        spread: dict[str, Json] = {
            "name": _direction(f"{chain.name}-all", back) if back else chain.name,
            "match": self._matches(chain, back),
            "priority": chain.priority,
            "lanes": [*self._lane_names(chain, back)],
        }
        if chain.backup is not None:
            spread["backup"] = [*self._lane_names(self._lab.chain(chain.backup), back)]
        if back:
            spread["way_back"] = True
        if spread["match"]:
            self._files[node].chains.append(spread)

    def _matches(self, chain: LabChain, back: bool) -> list[Json]:
        """The chain's matches at the port where packets of this direction come in.

        A chain without any takes all of its port; a backup without any takes nothing itself.
        """
        port = (chain.egress if back else chain.ingress).port
        if not chain.match:
            return [] if is_backup(self._lab, chain) else [{"port": port}]
        return [{"port": port, **(_turned(match) if back else match)} for match in chain.match]

    def _lane_names(self, chain: LabChain, back: bool) -> Iterator[str]:
        for name in names(self._lab, chain):
            yield _direction(name, back)

    def _lane(self, index: int, chain: LabChain, lane: Lane, back: bool) -> None:
        spread = is_spread(self._lab, chain)
        seen: dict[str, int] = defaultdict(int)
        for visit in lane.visits:
            seen[visit.node] += 1
            nth = seen[visit.node]
            part: dict[str, Json] = {
                "name": _direction(lane.name, back) + (f"-s{nth}" if nth > 1 else ""),
                "path": list(visit.services),
                "egress": self._egress(index, lane, visit),
            }
            if visit.arrives is not None:
                part["match"] = [self._tag(index, lane, visit.arrives, visit.index)]
            elif not spread:
                part |= {"match": self._matches(chain, back), "priority": chain.priority}
            if visit.leaves is None and chain.bidirectional and not back:
                part["returns"] = _direction(lane.name, True)
            if back:
                part["way_back"] = True
            self._files[visit.node].chains.append(part)

    def _egress(self, index: int, lane: Lane, visit: Visit) -> Json:
        if visit.leaves is None:
            return lane.egress.port
        return self._tag(index, lane, visit.leaves, visit.next_index)

    def _tag(self, index: int, lane: Lane, link: str, service_index: int) -> dict[str, Json]:
        """How packets of a lane are told from others on a link."""
        if self._lab.links[link].encapsulation == "vlan":
            return {"link": link, "path_id": self._vlan(index, lane, link, service_index)}
        return {"link": link, "path_id": lane.path_id, "index": service_index}

    def _vlan(self, index: int, lane: Lane, link: str, service_index: int) -> int:
        """A VLAN id from 2 to 4094, of the lane's own choice, so that no other lane moves it."""
        vlan = (lane.path_id * 257 + service_index) % 4093 + 2
        owner = self._vlans.setdefault((link, vlan), (lane.path_id, service_index))
        if owner != (lane.path_id, service_index):
            self._refuse(index, f"meets another chain in VLAN {vlan} of link {link}")
        return vlan

    def _claim(self, index: int, chain: LabChain, lane: Lane) -> None:
        owner = self._path_ids.setdefault(lane.path_id, chain.name)
        if owner != chain.name:
            self._refuse(index, f"has a path id in common with chain {owner!r}")

    def _refuse(self, index: int, why: str) -> None:
        key = f"chains[{index}].name"
        places = self._lab.places
        message = f"{why}, by chance: give the chain another name"
        raise SpecError([Problem(places.file, places.line(key), key, message)])


def _link(link: Link, node: str) -> dict[str, Json]:
    near, far = link.end(node), link.far(node)
    values: Mapping[str, Json] = {
        "port": near.port,
        "peer": far.node,
        "encapsulation": link.encapsulation,
        "mtu": link.mtu,
        "address": near.address,
        "gateway": near.gateway,
        "peer_address": far.address.partition("/")[0] if far.address else None,
        "vni": link.vni if link.encapsulation == "vxlan-gpe" else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _direction(name: str, back: bool) -> str:
    return f"{name}-back" if back else name


def _turned(match: Mapping[str, Json]) -> dict[str, Json]:
    """The match of the packets that answer."""
    return {_TURNED.get(key, key): value for key, value in match.items()}

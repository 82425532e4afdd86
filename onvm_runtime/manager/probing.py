# SPDX-License-Identifier: BSD-3-Clause
"""Probes of chains: which ways in are meant, and by which port.

A probe passes a chain before anybody's packets do, and does not leave the lab
(native/dataplane/chain_probe.h).
"""

from __future__ import annotations

from collections.abc import Collection

from onvm_runtime.chains import Entrance, LabSpec
from onvm_runtime.chains.spec import egress_json
from onvm_runtime.manager import models
from onvm_runtime.manager.failure import Conflict, NotFound


def wanted(entrances: Collection[Entrance], request: models.ProbeRequest) -> list[Entrance]:
    """The ways in that a request means; raises NotFound where there is no such chain.

    Where it names no version, all that no probe would reach from another node.
    """
    named = {one.id: one for one in entrances if one.name == request.chain}
    version = request.version
    found = [
        one
        for one in named.values()
        if (not one.linked if version is None else _is(one, version))
    ]
    if not named or (version is not None and not found):
        kind = "" if version is None else "such version of "
        raise NotFound(f"there is no {kind}chain {request.chain} on this node")
    return found


def _is(entrance: Entrance, version: models.ProbedVersion) -> bool:
    egress = egress_json(entrance.egress)
    return (list(entrance.path), egress, entrance.returns) == (
        version.path,
        version.egress,
        version.returns,
    )


def port(entrance: Entrance, spec: LabSpec, open_ports: Collection[str]) -> str:
    """The port by which the chain's packets come; raises Conflict where none is open."""
    named = [
        spec.links[match.link].port if match.link is not None else match.port
        for match in entrance.match
    ]
    fit = [name for name in named if name is not None] or sorted(open_ports)
    if not fit or fit[0] not in open_ports:
        raise Conflict(f"the port by which packets enter chain {entrance.name} is not open")
    return fit[0]

# SPDX-License-Identifier: BSD-3-Clause
"""The node as the API shows it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from onvm_runtime.chains import Plan, Service
from onvm_runtime.control import DataplaneError
from onvm_runtime.manager import models
from onvm_runtime.manager.driver import FUSED
from onvm_runtime.manager.failure import Unavailable
from onvm_runtime.manager.instance import Instance
from onvm_runtime.manager.node import Node
from onvm_runtime.manager.placement import Place, cpu_list
from onvm_runtime.manager.version import VERSION
from onvm_runtime.telemetry.latency import ChainLatency, Latency
from onvm_runtime.telemetry.prometheus import ManagerFacts, NfFacts, ServiceFacts

_NOTHING: dict[str, Any] = {"ports": [], "nfs": [], "chains": [], "links": [], "buffers": {}}


async def status(node: Node) -> models.Status:
    """All of a node.  A data plane that does not run is shown, not raised."""
    plane = await _ask(node)
    return models.Status(
        node=node.config.node,
        version=VERSION,
        runtime=node.config.runtime,
        dataplane=_dataplane(node, plane),
        ports=_ports(node, plane),
        nfs=nfs(node),
        chains=_chains(node, plane),
        links=_links(plane),
        rollout=node.rollouts.busy,
        problems=[*_problems(node), *_links_down(plane), *_remote_ports(plane)],
    )


async def ports(node: Node) -> list[models.PortStatus]:
    """The ports of node.yml."""
    return _ports(node, await _ask(node))


async def chains(node: Node) -> list[models.ChainStatus]:
    """Chains in force, then those that drain, then those that wait for a port."""
    return _chains(node, await _ask(node))


async def links(node: Node) -> list[models.LinkStatus]:
    """The links of the chains in force; none while the data plane does not run."""
    return _links(await _ask(node))


def _links(plane: dict[str, Any]) -> list[models.LinkStatus]:
    return [
        models.LinkStatus(
            name=link["name"],
            peer=link["peer"],
            port=link["port"],
            up=link["up"],
            mac=link.get("mac"),
            round_trip=link["round_trip"] / 1e9 if link["round_trip"] else None,
            cut_off=link["cut_off"],
        )
        for link in plane["links"]
    ]


def nfs(node: Node) -> list[models.NfStatus]:
    """The instances."""
    return [nf(node, instance) for instance in node.fleet.instances.values()]


def nf(node: Node, instance: Instance) -> models.NfStatus:
    """One instance."""
    place = node.fleet.place(instance.wanted.name)
    until = node.rollouts.desired.draining.get(instance.wanted.name)
    return models.NfStatus(
        name=instance.wanted.name,
        service=instance.wanted.service,
        nf=instance.wanted.nf,
        group=instance.wanted.group or None,
        image=FUSED if instance.wanted.group else instance.wanted.nf,
        cpus=list(place.cpus),
        alone=place.alone,
        remote=place.remote,
        cpu_weight=node.fleet.weight(instance.wanted.name),
        weighed_by=node.fleet.weighs_by(instance.wanted.name),
        state=instance.state,
        reason=instance.reason,
        last_end=instance.last_end,
        restarts=instance.restarts,
        seconds=time.monotonic() - instance.since,
        pid=instance.pid,
        weight=instance.wanted.weight if until is None else 0,
        draining=until is not None,
        drain_seconds=None if until is None else max(0.0, until - time.time()),
        flows=node.draining.flows.get(instance.wanted.name),
    )


def services(node: Node) -> list[models.ServiceStatus]:
    """The services of the desired state."""
    return [_service(node, service) for service in node.rollouts.desired.spec.services.values()]


def _service(node: Node, service: Service) -> models.ServiceStatus:
    followed = node.autoscaling.followed.get(service.name) if service.autoscale else None
    return models.ServiceStatus(
        name=service.name,
        nf=service.nf,
        stateful=node.fleet.stateful(service.nf, service.stateful),
        replicas=service.replicas,
        draining=[
            name
            for name in node.rollouts.desired.draining
            if name.rpartition("-")[0] == service.name
        ],
        autoscale=service.autoscale.to_json() if service.autoscale else None,
        measure=followed.measure if followed else None,
        scalings=[models.Scaling(**vars(event)) for event in followed.events] if followed else [],
    )


async def facts(node: Node) -> ManagerFacts:
    """What the manager contributes to /metrics."""
    return ManagerFacts(
        version=VERSION,
        dataplane_up=node.dataplane.state == "running",
        dataplane_restarts=node.dataplane.restarts,
        nfs=tuple(NfFacts(nf.name, nf.service, nf.state, nf.restarts) for nf in nfs(node)),
        ports_up=tuple((port.name, port.up) for port in await ports(node)),
        links_up=tuple((link.name, link.peer, link.up) for link in await links(node)),
        services=tuple(
            ServiceFacts(s.name, s.replicas, len(s.draining), node.autoscaling.count(s.name))
            for s in services(node)
        ),
    )


def latency(node: Node, taken: Latency) -> models.Latency:
    """All latencies."""
    return models.Latency(
        every=taken.every,
        refusal=node.sampling.refusal,
        hz=taken.hz,
        chains=[_latency_of(chain) for chain in taken.chains],
    )


def _latency_of(chain: ChainLatency) -> models.ChainLatency:
    return models.ChainLatency(
        name=chain.name,
        id=chain.id,
        reverse=chain.reverse,
        stages=[
            models.Stage(
                stage=stage,
                hop=int(hop) if hop else None,
                service=service or None,
                count=times.count,
                sum=times.sum,
                max=times.max,
                p50=times.percentile(50),
                p99=times.percentile(99),
                p99_9=times.percentile(99.9),
                buckets=dict(times.buckets),
            )
            for hop, service, stage, times in chain.stages()
        ],
    )


async def _ask(node: Node) -> dict[str, Any]:
    try:
        return await node.control().request("status")
    except (Unavailable, DataplaneError):
        return _NOTHING


def _dataplane(node: Node, plane: dict[str, Any]) -> models.DataplaneStatus:
    buffers = plane["buffers"]
    identity = {key: value for key, value in node.dataplane.identity.items() if key != "abi"}
    return models.DataplaneStatus(
        state=node.dataplane.state,
        reason=node.dataplane.reason,
        seconds=time.monotonic() - node.dataplane.since,
        restarts=node.dataplane.restarts,
        buffers_out=buffers.get("out"),
        buffers_free=buffers.get("free"),
        workers=[_worker(worker) for worker in plane.get("workers", ())],
        **identity,
    )


def _worker(worker: dict[str, Any]) -> models.WorkerStatus:
    socket = worker["socket"]
    return models.WorkerStatus(cpu=worker["cpu"], socket=socket if socket >= 0 else None)


def _remote_ports(plane: dict[str, Any]) -> Iterable[str]:
    for port in plane["ports"]:
        if port.get("remote"):
            yield (
                f"port {port['name']} is on another NUMA node than every worker: add a core there "
                "to dataplane.cores"
            )


def _ports(node: Node, plane: dict[str, Any]) -> list[models.PortStatus]:
    there = {port["name"]: port for port in plane["ports"]}
    return [
        models.PortStatus(
            name=name,
            kind=request["kind"],
            open=name in there,
            up=there.get(name, {}).get("up", False),
            mtu=there.get(name, request)["mtu"],
            id=there.get(name, {}).get("id"),
            mac=there.get(name, {}).get("mac"),
            polled=there.get(name, {}).get("polled"),
            queues=there.get(name, {}).get("queues"),
            remote=there.get(name, {}).get("remote"),
            error=node.ports.errors.get(name),
        )
        for name, request in node.ports.wanted.items()
    ]


def _chains(node: Node, plane: dict[str, Any]) -> list[models.ChainStatus]:
    plan = node.rollouts.desired.plan
    shown = {chain["id"] for chain in plane["chains"]}
    waiting = [
        {"id": chain.id, "name": chain.name, "reverse": _is_back(plan, chain.id)}
        for chain in plan.chains
        if chain.id not in shown
    ]
    return [_chain(node, plan, chain) for chain in [*plane["chains"], *waiting]]


def _chain(node: Node, plan: Plan, shown: dict[str, Any]) -> models.ChainStatus:
    planned = next((chain for chain in plan.chains if chain.id == shown["id"]), None)
    path = planned.path if planned else node.in_force.paths.get(shown["id"], ())
    return models.ChainStatus(
        name=shown["name"],
        id=shown["id"],
        reverse=shown["reverse"],
        path=list(path),
        egress=str(planned.egress) if planned else None,
        default=shown["id"] == plan.default_chain,
        draining=shown.get("draining", False),
        withheld=shown["name"] in node.in_force.withheld,
        in_flight=shown.get("in_flight", 0),
    )


def _is_back(plan: Plan, chain: int) -> bool:
    return any(other.reverse == chain for other in plan.chains)


def _links_down(plane: dict[str, Any]) -> Iterable[str]:
    for link in plane["links"]:
        if not link["up"]:
            yield f"link {link['name']} to node {link['peer']} is down"


def _problems(node: Node) -> Iterable[str]:
    if node.dataplane.state != "running":
        yield f"the data plane does not run: {node.dataplane.reason or 'it is starting'}"
    yield from node.dataplane.differences()
    for name, error in node.ports.errors.items():
        yield f"port {name} is not open: {error}"
    for name in node.in_force.withheld:
        yield f"chain {name} is not in force: it waits for a port"
    for instance in node.fleet.instances.values():
        place = node.fleet.place(instance.wanted.name)
        if node.config.nf.dedicated and not place.alone:
            yield f"NF {instance.wanted.name} does not spin for work: {_not_alone(place)}"
        if instance.state in ("failed", "backoff"):
            yield f"NF {instance.wanted.name}: {instance.reason}"
        if instance.wanted.by_rate and node.fleet.weighs_by(instance.wanted.name) == "nice":
            yield (
                f"NF {instance.wanted.name} is weighed by rate in nice levels, a quarter of a "
                "weight each: cgroups cannot be written here"
            )


def _not_alone(place: Place) -> str:
    if len(place.cpus) != 1:
        return f"it may run on CPUs {cpu_list(place.cpus) or 'of all kinds'}"
    return f"it shares the core of CPU {place.cpus[0]}; place fewer NFs, or fuse them"

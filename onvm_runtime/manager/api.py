# SPDX-License-Identifier: BSD-3-Clause
"""HTTP and JSON: all that can be done with a node.  /openapi.json describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from onvm_runtime.chains import Entrance, Match, SpecError, entrances
from onvm_runtime.control import ABI, DataplaneError
from onvm_runtime.manager import edits, models, probe_frame, probing, tracing, views
from onvm_runtime.manager.failure import Conflict, ManagerError, NotFound, Unavailable
from onvm_runtime.manager.node import Node
from onvm_runtime.manager.version import VERSION
from onvm_runtime.telemetry import prometheus
from onvm_runtime.telemetry.latency import Latency
from onvm_runtime.telemetry.snapshot import Snapshot

FLOW_NF = "flow_monitor"

_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": models.Error, "description": "No such thing"},
    409: {"model": models.Error, "description": "Not now"},
    422: {"model": models.Error, "description": "The request or the text in it is wrong"},
    424: {"model": models.Error, "description": "It was tried, failed and was undone"},
    503: {"model": models.Error, "description": "The data plane does not answer"},
    507: {"model": models.Error, "description": "The desired state cannot be kept"},
}


def make(node: Node, shut_down: Callable[[], None]) -> FastAPI:
    """The API of a node.  `shut_down` ends the manager once all else is stopped."""
    api = FastAPI(
        title="onvm-manager",
        version=VERSION,
        summary="One node of the testbed",
        responses=_ERRORS,
        docs_url=None,
        redoc_url=None,
    )
    _handle_errors(api)
    _add_views(api, node)
    _add_chain_views(api, node)
    _add_chains(api, node)
    _add_lease(api, node)
    _add_nfs(api, node)
    _add_statistics(api, node)
    _add_traces(api, node)
    _add_probes(api, node)
    _add_shutdown(api, node, shut_down)
    return api


def _error(status: int, sentence: str, problems: list[dict[str, Any]] | None = None) -> Response:
    return JSONResponse({"error": sentence, "problems": problems or []}, status)


def _handle_errors(api: FastAPI) -> None:
    @api.exception_handler(ManagerError)
    async def refused(_: Request, error: ManagerError) -> Response:
        return _error(error.status, str(error))

    @api.exception_handler(DataplaneError)
    async def unreachable(_: Request, error: DataplaneError) -> Response:
        return _error(Unavailable.status, str(error))

    @api.exception_handler(SpecError)
    async def wrong(_: Request, error: SpecError) -> Response:
        count = len(error.problems)
        sentence = f"{count} problem{'s' if count > 1 else ''}: nothing was changed"
        return _error(422, sentence, [dict(problem.to_json()) for problem in error.problems])

    @api.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return _error(500, f"the manager failed ({error!r}): its log says more")

    @api.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return _error(422, f"the request is malformed: {said}")


def _add_views(api: FastAPI, node: Node) -> None:
    @api.get("/v1/version")
    async def version() -> models.Version:
        """Versions of the manager and of its ABI."""
        return models.Version(version=VERSION, abi=ABI)

    @api.get("/v1/status")
    async def status() -> models.Status:
        """The node at a glance."""
        return await views.status(node)

    @api.get("/v1/ports")
    async def ports() -> models.Ports:
        """The ports of node.yml."""
        return models.Ports(ports=await views.ports(node))

    @api.get("/v1/nfs")
    async def nfs() -> models.Nfs:
        """The instances."""
        return models.Nfs(nfs=views.nfs(node))

    @api.get("/v1/catalogue")
    async def catalogue() -> models.Catalogue:
        """The NFs that can be run here."""
        entries = node.catalogue.values()
        return models.Catalogue(
            nfs=[models.CatalogueEntry.model_validate(entry) for entry in entries]
        )


def _add_chain_views(api: FastAPI, node: Node) -> None:
    @api.get("/v1/chains")
    async def chains() -> models.Chains:
        """The chains, each direction for itself."""
        return models.Chains(chains=await views.chains(node))

    @api.get("/v1/links")
    async def links() -> models.Links:
        """The links to other nodes, and whether they are up."""
        return models.Links(links=await views.links(node))

    @api.put("/v1/links/silence")
    async def silence(wanted: models.Silence) -> models.Silence:
        """Has the other nodes go by other ways for a while, where they have any.

        What they send until they notice, after 0.7 s, still passes.
        """
        await _tell(node, "links.silence", seconds=wanted.seconds)
        return wanted

    @api.get("/v1/spec")
    async def spec() -> models.Spec:
        """The desired state."""
        desired = node.rollouts.desired
        return models.Spec(source=desired.source, text=desired.text)


def _add_chains(api: FastAPI, node: Node) -> None:
    @api.post("/v1/chains/diff")
    async def diff(spec: models.Spec) -> models.Changes:
        """What applying a chains file would change.  Changes nothing."""
        changes = node.rollouts.diff(spec.text, spec.source)
        return models.Changes(changes=[_change(change) for change in changes])

    @api.post("/v1/chains/apply")
    async def apply(spec: models.Wanted) -> models.Applied:
        """Makes a chains file the desired state and waits until it is in force."""
        with node.lease.used(spec.holder):
            control = await node.dataplane.ready()
            return _applied(await node.rollouts.apply(control, spec.text, spec.source))

    @api.delete("/v1/chains/{name}")
    async def remove(name: str) -> models.Applied:
        """Removes a chain; its services stay."""
        node.lease.allow(None)
        return _applied(
            await node.rollouts.edit(await node.dataplane.ready(), edits.remove_chain(name))
        )

    @api.post("/v1/services/{name}/scale")
    async def scale(name: str, wanted: models.Scale) -> models.Applied:
        """Gives a service another number of instances."""
        node.lease.allow(None)
        control = await node.dataplane.ready()
        return _applied(
            await node.rollouts.edit(control, edits.scale_by_hand(name, wanted.replicas))
        )

    @api.get("/v1/services")
    async def services() -> models.Services:
        """The services, and how those with a policy follow it."""
        return models.Services(services=views.services(node))


def _add_lease(api: FastAPI, node: Node) -> None:
    @api.put("/v1/lease")
    async def take(wanted: models.LeaseRequest) -> models.Lease:
        """Takes or renews the lease on the chains: nobody else can change them meanwhile."""
        return models.Lease.model_validate(node.lease.take(wanted.holder, wanted.seconds))

    @api.delete("/v1/lease/{holder}", status_code=204)
    async def release(holder: str) -> None:
        """Gives the lease back; that of another one stays."""
        node.lease.release(holder)


def _change(change: Any) -> models.Change:
    return models.Change.model_validate(change.to_json())


def _applied(outcome: Any) -> models.Applied:
    return models.Applied(
        changes=[_change(change) for change in outcome.changes],
        started=outcome.started,
        reconfigured=outcome.reconfigured,
        ended=outcome.ended,
        draining=outcome.draining,
        drained=outcome.drained,
        seconds=outcome.seconds,
    )


def _add_nfs(api: FastAPI, node: Node) -> None:
    @api.post("/v1/nfs/{instance}/stop")
    async def stop(instance: str) -> models.NfStatus:
        """Stops an instance until it is started again, also over a restart of the manager."""
        stopped = node.fleet[instance]
        before = views.nf(node, stopped)
        await node.rollouts.stop(await node.dataplane.ready(), instance)
        if instance in node.fleet.instances:
            return views.nf(node, stopped)
        # It drained, and has gone for good.
        return before.model_copy(update={"state": stopped.state, "pid": None, "draining": False})

    @api.post("/v1/nfs/{instance}/start")
    async def start(instance: str) -> models.NfStatus:
        """Starts an instance now, whatever pause it is in."""
        await node.rollouts.start(await node.dataplane.ready(), instance)
        return views.nf(node, node.fleet[instance])

    @api.post("/v1/nfs/{instance}/drain")
    async def drain(instance: str) -> models.NfStatus:
        """Gives an instance no new flows, and stops it when it has none left."""
        await node.rollouts.drain(await node.dataplane.ready(), instance)
        return views.nf(node, node.fleet[instance])

    @api.post("/v1/nfs/{instance}/restart")
    async def restart(instance: str) -> models.NfStatus:
        """Ends an instance and starts it anew."""
        await node.rollouts.restart(await node.dataplane.ready(), instance)
        return views.nf(node, node.fleet[instance])

    @api.get("/v1/nfs/{instance}/logs")
    async def logs(
        instance: str, lines: Annotated[int, Query(ge=1, le=10000)] = 100
    ) -> models.Logs:
        """The last lines that an instance wrote."""
        return models.Logs(lines=(await node.fleet.logs(instance, lines)).splitlines())

    @api.post("/v1/nfs/{instance}/query")
    async def query(instance: str, request: dict[str, Any]) -> Any:
        """Passes an object on to the NF, and its answer back, both in the NF's own form."""
        return await _ask(node, node.fleet[instance].wanted.name, request)


async def _tell(node: Node, op: str, **arguments: Any) -> dict[str, Any]:
    """Has the data plane do something; its refusal is ours."""
    control = node.control()
    try:
        return await control.request(op, **arguments)
    except DataplaneError as error:
        raise Unavailable(str(error)) if control.closed else Conflict(str(error)) from error


async def _ask(node: Node, name: str, request: dict[str, Any]) -> Any:
    return (await _tell(node, "nf.query", name=name, request=request))["reply"]


def _add_statistics(api: FastAPI, node: Node) -> None:
    @api.get("/v1/stats")
    async def stats() -> Snapshot:
        """All counters at one moment."""
        return await node.snapshot()

    @api.get("/v1/latency")
    async def latency() -> models.Latency:
        """How long sampled packets took, by chain and hop."""
        return views.latency(node, await node.latency())

    @api.put("/v1/latency")
    async def sample(wanted: models.Sampling) -> models.Sampling:
        """Samples one packet of so many from now on, until the manager is started again."""
        try:
            await node.sampling.change(control := node.control(), wanted.every)
        except DataplaneError as error:
            raise Unavailable(str(error)) if control.closed else Conflict(str(error)) from error
        return wanted

    @api.get("/v1/flows")
    async def flows(
        service: str | None = None, top: Annotated[int, Query(ge=1, le=1000)] = 20
    ) -> models.Flows:
        """The largest flows that the instances of flow_monitor have seen."""
        return await _flows(node, service, top)

    @api.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Everything for Prometheus."""
        page = prometheus.exposition(await views.facts(node), *await _telemetry(node))
        return Response(page, media_type=CONTENT_TYPE_LATEST)


def _add_traces(api: FastAPI, node: Node) -> None:
    @api.post("/v1/traces")
    async def trace(wanted: models.TraceRequest) -> models.TraceRequest:
        """Samples the next packets of some chains, beside those that are sampled anyhow."""
        chains = tracing.wanted_chains(node.rollouts.desired.plan, wanted.chains)
        await _tell(node, "trace", chains=chains, count=wanted.count)
        return wanted

    @api.get("/v1/traces")
    async def traces() -> models.Traces:
        """What became of the packets that were sampled last."""
        return await node.traces("trace")


def _add_probes(api: FastAPI, node: Node) -> None:
    @api.post("/v1/probes")
    async def probe(wanted: models.ProbeRequest) -> models.SentProbes:
        """Sends probes into a chain, which pass its NFs and links but do not leave the lab."""
        desired = node.rollouts.desired
        ways = probing.wanted(entrances(desired.spec, desired.plan), wanted)
        return models.SentProbes(probes=[await _probe(node, way, wanted.length) for way in ways])

    @api.get("/v1/probes")
    async def probes() -> models.Traces:
        """What became of the probes that came last."""
        return await node.traces("probes")


async def _probe(node: Node, way: Entrance, length: int) -> models.SentProbe:
    port = probing.port(way, node.rollouts.desired.spec, node.ports.open())
    frame = probe_frame.make(next(iter(way.match), Match()), length)
    sent = await _tell(node, "chain.probe", chain=way.id, port=port, frame=frame.hex())
    return models.SentProbe(id=sent["id"], chain=way.name)


async def _telemetry(node: Node) -> tuple[Snapshot | None, Latency | None]:
    try:
        return await node.snapshot(), await node.latency()
    except Unavailable:
        return None, None


async def _flows(node: Node, service: str | None, top: int) -> models.Flows:
    asked = [
        instance.wanted.name
        for instance in node.fleet.instances.values()
        if instance.wanted.nf == FLOW_NF and service in (None, instance.wanted.service)
    ]
    if service is not None and not asked:
        raise NotFound(f"no service {service} of {FLOW_NF} runs on this node")
    answers = await asyncio.gather(*(_ask_flows(node, name, top) for name in asked))
    return _merge(dict(zip(asked, answers, strict=True)), top)


async def _ask_flows(node: Node, name: str, top: int) -> Any:
    """An instance's flows, or why there are none."""
    try:
        return await _ask(node, name, {"query": "flows", "top": top})
    except ManagerError as error:
        return error


def _merge(answers: dict[str, Any], top: int) -> models.Flows:
    """The largest flows of all instances; replicas see different ones."""
    flows = [
        models.Flow(instance=name, **flow)
        for name, answer in answers.items()
        if isinstance(answer, dict)
        for flow in answer["flows"]
    ]
    return models.Flows(
        flows=sorted(flows, key=lambda flow: flow.bytes, reverse=True)[:top],
        unanswered={name: str(e) for name, e in answers.items() if isinstance(e, ManagerError)},
    )


def _add_shutdown(api: FastAPI, node: Node, shut_down: Callable[[], None]) -> None:
    @api.post("/v1/shutdown")
    async def shutdown() -> models.Status:
        """Stops all NFs, the data plane and the manager.  The desired state is kept."""
        try:
            await node.stop_all()
            return await views.status(node)
        finally:
            shut_down()

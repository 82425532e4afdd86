# SPDX-License-Identifier: BSD-3-Clause
"""The API over HTTP: answers, errors, and the document that describes both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from onvm_runtime.manager import api
from onvm_runtime.manager.failure import Conflict
from onvm_runtime.manager.lease import Lease
from onvm_runtime.manager.node import Node

SPEC = """
services: {fw: {nf: forward}}
chains:
  - {name: web, match: {port: in}, path: [fw], egress: out, bidirectional: true}
"""


@pytest.fixture
async def shutdowns() -> list[bool]:
    return []


@pytest.fixture
async def http(node: Node, shutdowns: list[bool]) -> AsyncIterator[httpx.AsyncClient]:
    app = api.make(node, shut_down=lambda: shutdowns.append(True))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
        yield client


async def apply(http: httpx.AsyncClient, text: str = SPEC) -> httpx.Response:
    return await http.post("/v1/chains/apply", json={"source": "chains.yml", "text": text})


async def get(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_node_at_a_glance(http: httpx.AsyncClient, plane: Any) -> None:
    assert (await apply(http)).json()["started"] == ["fw-1"]
    status = await get(http, "/v1/status")
    assert (status["node"], status["runtime"]) == ("unit", "process")
    (problem,) = status["problems"]
    assert "runs with other options (600)" in problem, "the stand-in's process is a sleep"
    assert status["dataplane"]["state"] == "running"
    assert status["dataplane"]["pid"] == plane.pid
    assert [(p["name"], p["open"], p["up"]) for p in status["ports"]] == [
        ("in", True, True),
        ("out", True, True),
    ]
    assert [(nf["name"], nf["state"]) for nf in status["nfs"]] == [("fw-1", "running")]
    assert [(c["path"], c["egress"]) for c in status["chains"]] == [(["fw"], "out"), (["fw"], "in")]
    assert await get(http, "/v1/spec") == {"source": "chains.yml", "text": SPEC}


async def test_a_status_without_a_data_plane(http: httpx.AsyncClient, plane: Any) -> None:
    await apply(http)
    plane.stop()
    await asyncio.sleep(0.05)
    status = await get(http, "/v1/status")
    assert status["dataplane"]["pid"] is None
    assert status["problems"][0].startswith("the data plane does not run: ")
    assert [port["open"] for port in status["ports"]] == [False, False]
    assert len(status["chains"]) == 2
    page = await http.get("/metrics")
    assert "onvm_dataplane_up 0.0" in page.text
    assert (await http.get("/v1/stats")).status_code == 503


async def test_a_diff_changes_nothing(http: httpx.AsyncClient, node: Node) -> None:
    answer = await http.post("/v1/chains/diff", json={"source": "c.yml", "text": SPEC})
    assert [(c["kind"], c["name"], c["action"]) for c in answer.json()["changes"]] == [
        ("service", "fw", "added"),
        ("chain", "web", "added"),
    ]
    assert node.fleet.instances == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/v1/nothing", None, 404, "Not Found"),
        ("POST", "/v1/nfs/nobody/stop", None, 404, "there is no NF nobody"),
        ("GET", "/v1/nfs/nobody/logs", None, 404, "there is no NF nobody"),
        ("GET", "/v1/nfs/fw-1/logs?lines=0", None, 422, "query.lines"),
        ("DELETE", "/v1/chains/nothing", None, 404, "there is no chain nothing"),
        ("POST", "/v1/services/fw/scale", {"replicas": 0}, 422, "body.replicas"),
        ("POST", "/v1/services/fw/scale", {"replicas": 1, "x": 1}, 422, "body.x"),
        ("POST", "/v1/chains/apply", {"source": "c.yml"}, 422, "body.text"),
        ("POST", "/v1/nfs/fw-1/query", [1], 422, "body"),
        ("GET", "/v1/flows?service=fw", None, 404, "no service fw of flow_monitor"),
        ("PUT", "/v1/status", None, 405, "Method Not Allowed"),
    ],
)
async def test_every_error_has_one_form(
    http: httpx.AsyncClient, method: str, path: str, body: Any, status: int, said: str
) -> None:
    await apply(http)
    answer = await http.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json().keys() == {"error", "problems"}
    assert said in answer.json()["error"]


async def test_a_wrong_text_is_answered_with_places(http: httpx.AsyncClient) -> None:
    answer = await apply(http, SPEC.replace("[fw]", "[fww]"))
    assert answer.status_code == 422
    assert answer.json()["error"] == "1 problem: nothing was changed"
    (problem,) = answer.json()["problems"]
    assert (problem["file"], problem["line"], problem["key"]) == (
        "chains.yml",
        4,
        "chains[0].path[0]",
    )
    assert "fw" in problem["message"]


async def test_counters_and_metrics(http: httpx.AsyncClient, plane: Any) -> None:
    await apply(http)
    plane.node.workers = 2
    plane.node.worker[1].port[1].tx.packets = 5
    stats = await get(http, "/v1/stats")
    assert stats["ports"][1]["counters"]["tx"] == {"packets": 5, "bytes": 0}
    assert stats["chains"][0]["hops"] == [
        {"hop": 0, "service": "fw", "handled": {"packets": 0, "bytes": 0}}
    ]
    page = await http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'onvm_port_packets_total{direction="tx",port="out"} 5.0' in page.text


async def test_a_question_goes_to_the_nf_and_back(http: httpx.AsyncClient) -> None:
    await apply(http)
    answer = await http.post("/v1/nfs/fw-1/query", json={"query": "rules"})
    assert answer.json() == {"nf": "fw-1", "asked": {"query": "rules"}}


async def test_a_question_that_the_nf_refuses(http: httpx.AsyncClient, plane: Any) -> None:
    await apply(http)
    plane.refuse["nf.query"] = "NF fw-1: it answers no questions"
    answer = await http.post("/v1/nfs/fw-1/query", json={"query": "rules"})
    assert (answer.status_code, answer.json()["error"]) == (409, "NF fw-1: it answers no questions")


async def test_flows_of_all_replicas_are_merged(
    http: httpx.AsyncClient, node: Node, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FLOW_NF", "forward")
    await apply(http, SPEC.replace("{nf: forward}", "{nf: forward, replicas: 3}"))
    ends = {"source": "198.18.0.1", "destination": "198.18.0.2", "protocol": 17}
    rest = {"source_port": 1, "destination_port": 2, "packets": 1, "packets_back": 0}
    rest |= {"bytes_back": 0, "age": 1.5, "idle": 0.5}

    def answer(request: dict[str, Any]) -> Any:
        number = int(request["name"][-1])
        if number == 3:
            raise plane_refusal("NF fw-3 is not running")
        return {"reply": {"flows": [{**ends, **rest, "bytes": 100 * number}]}}, None

    plane_refusal = plane.Refused
    monkeypatch.setattr(plane, "_op_nf_query", answer)
    flows = await get(http, "/v1/flows?top=5")
    assert [(flow["instance"], flow["bytes"]) for flow in flows["flows"]] == [
        ("fw-2", 200),
        ("fw-1", 100),
    ]
    assert flows["unanswered"] == {"fw-3": "NF fw-3 is not running"}
    assert len((await get(http, "/v1/flows?top=1&service=fw"))["flows"]) == 1
    assert sorted(node.fleet.instances) == ["fw-1", "fw-2", "fw-3"]


async def test_latency_is_sampled_as_node_yml_says_until_told_otherwise(
    http: httpx.AsyncClient, node: Node, plane: Any
) -> None:
    assert plane.every == node.config.dataplane.latency_sample
    assert (await http.put("/v1/latency", json={"every": 64})).json() == {"every": 64}
    await apply(http)
    shown = await get(http, "/v1/latency")
    assert (shown["every"], shown["refusal"]) == (64, None)
    assert [(s["hop"], s["service"], s["stage"]) for s in shown["chains"][0]["stages"]] == [
        (1, "fw", "wait"),
        (1, "fw", "handling"),
        (None, None, "home"),
        (None, None, "total"),
    ]


async def test_a_clock_that_is_no_clock_is_said_and_everything_else_goes_on(
    http: httpx.AsyncClient, plane: Any
) -> None:
    plane.refuse["latency.sample"] = "the counter is not invariant"
    refused = await http.put("/v1/latency", json={"every": 64})
    assert (refused.status_code, refused.json()["error"]) == (409, "the counter is not invariant")
    assert (await get(http, "/v1/latency"))["refusal"] == "the counter is not invariant"
    assert (await apply(http)).status_code == 200
    assert (await http.put("/v1/latency", json={"every": -1})).status_code == 422


async def test_a_shutdown_ends_all(
    http: httpx.AsyncClient, plane: Any, runtime: Any, shutdowns: list[bool]
) -> None:
    await apply(http)
    assert (await http.post("/v1/shutdown")).status_code == 200
    assert runtime.handles["fw-1"].how.done()
    assert plane.ops()[-1] == "stop"
    assert shutdowns == [True]


async def test_a_shutdown_ends_all_but_what_cannot_be_reached_and_names_that(
    http: httpx.AsyncClient, plane: Any, runtime: Any, shutdowns: list[bool]
) -> None:
    await apply(http)
    runtime.removal_error = "the engine is away"
    refused = await http.post("/v1/shutdown")
    assert refused.status_code == 503
    assert refused.json()["error"] == "what fw-1 left could not be removed: the engine is away"
    assert runtime.handles["fw-1"].how.done()
    assert plane.ops()[-1] == "stop"
    assert shutdowns == [True]


async def test_every_operation_is_described(http: httpx.AsyncClient) -> None:
    document = await get(http, "/openapi.json")
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert len(operations) >= 18
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert operation["responses"]["404"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Error"
        }
    schemas = document["components"]["schemas"]
    assert "rx_missed" in schemas["PortCounters"]["properties"]
    assert "last_end" in schemas["NfStatus"]["properties"]


async def test_while_one_has_the_lease_nobody_else_changes_the_chains(
    http: httpx.AsyncClient,
) -> None:
    lease = {"holder": "rollout by ann", "seconds": 60}
    assert (await http.put("/v1/lease", json=lease)).status_code == 200
    refused = await apply(http)
    assert refused.status_code == 409
    assert "rollout by ann" in refused.json()["error"]
    assert (await http.delete("/v1/chains/web")).status_code == 409
    other = await http.put("/v1/lease", json={**lease, "holder": "rollout by bob"})
    assert other.status_code == 409
    body = {"source": "chains.yml", "text": SPEC, "holder": "rollout by ann"}
    assert (await http.post("/v1/chains/apply", json=body)).status_code == 200
    assert (await http.delete("/v1/lease/rollout%20by%20bob")).status_code == 204
    assert (await apply(http)).status_code == 409
    assert (await http.delete("/v1/lease/rollout%20by%20ann")).status_code == 204
    assert (await apply(http)).status_code == 200


def test_a_lease_outlives_the_manager_and_ends_by_itself(tmp_path: Path) -> None:
    now = [1000.0]
    Lease(tmp_path, lambda: now[0]).take("ann", 60)
    after = Lease(tmp_path, lambda: now[0])
    with pytest.raises(Conflict, match="ann"):
        after.allow(None)
    now[0] += 61
    after.allow(None)
    assert after.held() is None


def test_a_lease_does_not_end_during_a_change_and_lasts_its_full_time_after(
    tmp_path: Path,
) -> None:
    now = [1000.0]
    lease = Lease(tmp_path, lambda: now[0])
    lease.take("ann", 60)
    with lease.used("ann"):
        now[0] += 100
        with pytest.raises(Conflict, match="ann"):
            lease.take("bob", 60)
    now[0] += 59
    with pytest.raises(Conflict, match="ann"), lease.used("bob"):
        pass
    now[0] += 2
    lease.take("bob", 60)


async def test_probes_enter_both_directions_of_a_chain(http: httpx.AsyncClient, plane: Any) -> None:
    await apply(http)
    sent = await http.post("/v1/probes", json={"chain": "web", "length": 200})
    assert sent.status_code == 200, sent.text
    assert [one["chain"] for one in sent.json()["probes"]] == ["web", "web"]
    asked = [request for request in plane.requests if request["op"] == "chain.probe"]
    assert [(one["port"], len(one["frame"])) for one in asked] == [("in", 400), ("out", 400)]
    ids = {chain["id"] for chain in plane.plan["chains"]}
    assert {one["chain"] for one in asked} == ids
    assert await get(http, "/v1/probes") == {"passages": []}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"chain": "other"}, 404, "no chain other"),
        ({"chain": "web", "version": {"path": [], "egress": "out"}}, 404, "no such version"),
        ({"chain": "web", "length": 3000}, 422, "length"),
    ],
)
async def test_probes_that_cannot_be(
    http: httpx.AsyncClient, body: dict[str, Any], status: int, said: str
) -> None:
    await apply(http)
    answer = await http.post("/v1/probes", json=body)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text

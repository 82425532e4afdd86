# SPDX-License-Identifier: BSD-3-Clause
"""Commands in, requests to the API out; answers of the API in, words for people out.

Answers are made from the models of the real API, so one that changes breaks a test.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime.cli import stats, watching
from onvm_runtime.cli.app import run
from onvm_runtime.cli.failure import ExitCode
from onvm_runtime.cli.session import Session
from onvm_runtime.manager import models
from onvm_runtime.telemetry.counters import (
    ChainCounters,
    FlowCount,
    NodeCounters,
    PortCounters,
    WorkerCounters,
)
from onvm_runtime.telemetry.snapshot import ChainStats, HopStats, PortStats, Snapshot

Answers = dict[str, tuple[int, Any]]


class Handler(BaseHTTPRequestHandler):
    """Answers by method and path; remembers what it was asked."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        route = f"{self.command} {self.path}"
        self.server.asked.append((route, json.loads(body or "null")))
        status, answer = self.server.answers.get(route, (404, {"error": "no", "problems": []}))
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is for tests."""


class StandIn(socketserver.ThreadingUnixStreamServer):
    """An API on a unix socket that answers what a test says."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.path = path
        self.answers: Answers = {}
        self.asked: list[tuple[str, Any]] = []

    def onvm(self, *arguments: str) -> int:
        return run(["--socket", str(self.path), *arguments])


@pytest.fixture
def api(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path / "manager.sock") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def plain(model: Any) -> Any:
    return model.model_dump(mode="json")


PORT = models.PortStatus(
    name="client", kind="tap", open=True, up=True, mtu=1500, id=0, mac="02:00:00:00:00:01"
)
CLOSED = models.PortStatus(
    name="lan", kind="af_packet", open=False, up=False, mtu=1500, error="no interface lan"
)
NF = models.NfStatus(
    name="wire-1",
    service="wire",
    nf="forward",
    group=None,
    image="forward",
    cpus=[1],
    alone=True,
    remote=False,
    cpu_weight=100,
    weighed_by="",
    state="running",
    reason=None,
    last_end="was killed by signal 9",
    restarts=1234,
    seconds=90,
    pid=4321,
)
FORTH = models.ChainStatus(
    name="web",
    id=1,
    reverse=False,
    path=["wire", "nat"],
    egress="server",
    default=True,
    draining=False,
    withheld=False,
    in_flight=7,
)
BACK = FORTH.model_copy(
    update={"id": 2, "reverse": True, "path": [], "egress": "client", "default": False}
)
DATAPLANE = models.DataplaneStatus(
    state="running",
    reason=None,
    seconds=7200,
    restarts=0,
    pid=77,
    version="0.1.0",
    dpdk="DPDK 22.11.11",
    hugepages=True,
    buffers=16384,
    buffers_out=0,
    buffers_free=16000,
    buffer_size=2304,
)
STATUS = models.Status(
    node="lab1",
    version="0.1.0",
    runtime="docker",
    dataplane=DATAPLANE,
    ports=[PORT, CLOSED],
    nfs=[NF],
    chains=[FORTH, BACK],
    rollout=False,
    problems=["port lan is not open: no interface lan"],
)
DOWN = STATUS.model_copy(
    update={
        "dataplane": models.DataplaneStatus(
            state="backoff", reason="onvm-dataplane was killed", seconds=1, restarts=3
        ),
        "problems": [],
    }
)
CHANGE = models.Change(
    kind="service", name="wire", action="changed", before={"replicas": 1}, after={"replicas": 2}
)
ADDED = models.Change(
    kind="chain", name="web", action="added", before={}, after={"path": ["wire"], "egress": "s"}
)
APPLIED = models.Applied(
    changes=[CHANGE, ADDED],
    started=["wire-2"],
    reconfigured=[],
    ended=[],
    drained=False,
    seconds=0.123,
)
FLOW = models.Flow(
    instance="monitor-1",
    source="198.18.0.2",
    source_port=40000,
    destination="198.18.0.3",
    destination_port=80,
    protocol=6,
    packets=10,
    bytes=12345,
    packets_back=4,
    bytes_back=2345,
    age=90,
    idle=0.5,
)
FLOW6 = FLOW.model_copy(update={"source": "2001:db8::2", "protocol": 99, "destination_port": 0})

# (command, route, answer of the API, words in the output)
LOOKS: list[tuple[list[str], str, Any, list[str]]] = [
    (
        ["status"],
        "GET /v1/status",
        plain(STATUS),
        [
            "node lab1, manager 0.1.0, NFs run as docker",
            "data plane 0.1.0 (DPDK 22.11.11), process 77, running for 2 h",
            "16,000 of 16,384 buffers free, on hugepages",
            "port lan is not open",
        ],
    ),
    (
        ["status"],
        "GET /v1/status",
        plain(DOWN),
        ["data plane backoff: onvm-dataplane was killed", "all is well"],
    ),
    (
        ["port", "ls"],
        "GET /v1/ports",
        plain(models.Ports(ports=[PORT, CLOSED])),
        ["client", "up", "02:00:00:00:00:01", "not open", "no interface lan"],
    ),
    (
        ["nf", "ls"],
        "GET /v1/nfs",
        plain(models.Nfs(nfs=[NF])),
        ["wire-1", "forward", "running", "1.5 min", "4321", "1,234", "was killed by signal 9"],
    ),
    (
        ["nf", "ls", "--catalogue"],
        "GET /v1/catalogue",
        plain(
            models.Catalogue(
                nfs=[models.CatalogueEntry(name="nat", summary="translates", parameters={})]
            )
        ),
        ["nat", "translates"],
    ),
    (["nf", "stop", "wire-1"], "POST /v1/nfs/wire-1/stop", plain(NF), ["wire-1"]),
    (["nf", "start", "wire-1"], "POST /v1/nfs/wire-1/start", plain(NF), ["wire-1"]),
    (["nf", "restart", "wire-1"], "POST /v1/nfs/wire-1/restart", plain(NF), ["wire-1"]),
    (
        ["nf", "logs", "wire-1", "-n", "2"],
        "GET /v1/nfs/wire-1/logs?lines=2",
        plain(models.Logs(lines=["[one]", "two"])),
        ["[one]\ntwo"],
    ),
    (
        ["chain", "ls"],
        "GET /v1/chains",
        plain(models.Chains(chains=[FORTH, BACK])),
        ["wire → nat", "forth", "back", "(wire)", "default", "in force"],
    ),
    (
        ["chain", "rm", "web"],
        "DELETE /v1/chains/web",
        plain(APPLIED),
        [
            "~ service wire",
            "replicas: 1 -> 2",
            '    path: ["wire"]',
            "started: wire-2",
            "packets are still on their way",
            "in force after 0.12 s",
        ],
    ),
    (
        ["flows", "--top", "5", "--service", "monitor"],
        "GET /v1/flows?service=monitor&top=5",
        plain(models.Flows(flows=[FLOW, FLOW6], unanswered={"monitor-2": "it is starting"})),
        [
            "198.18.0.2:40000",
            "198.18.0.3:80",
            "tcp",
            "12,345",
            "1.5 min",
            "0.5 s",
            "[2001:db8::2]:40000",
            "99",
            "monitor-2 was not asked: it is starting",
        ],
    ),
    (
        ["version"],
        "GET /v1/version",
        plain(models.Version(version="9.9.9", abi=1)),
        ["manager", "9.9.9"],
    ),
]


@pytest.mark.parametrize(
    ("command", "route", "answer", "words"), LOOKS, ids=[" ".join(look[0]) for look in LOOKS]
)
def test_words_for_people(api, command, route, answer, words, capsys):
    api.answers[route] = 200, answer
    assert api.onvm(*command) == ExitCode.OK
    said = capsys.readouterr()
    assert [route for route, _ in api.asked] == [route]
    assert [word for word in words if word not in said.out] == []
    assert said.err == ""


@pytest.mark.parametrize(
    ("command", "route", "answer", "_words"), LOOKS, ids=[" ".join(look[0]) for look in LOOKS]
)
def test_json_for_programs_is_the_answer_and_nothing_else(
    api, command, route, answer, _words, capsys
):
    api.answers[route] = 200, answer
    assert api.onvm(*command, "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert found in (answer, {"onvm": found.get("onvm"), "manager": answer})


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [([CHANGE], ExitCode.DIFFERENT, "~ service wire"), ([], ExitCode.OK, "nothing changes")],
)
def test_diff_ends_with_5_when_something_differs(api, tmp_path, changes, code, words, capsys):
    file = tmp_path / "lab.yml"
    file.write_text("chains: []\n")
    api.answers["POST /v1/chains/diff"] = 200, plain(models.Changes(changes=changes))
    assert api.onvm("chain", "diff", str(file)) == code
    assert words in capsys.readouterr().out
    assert api.asked == [
        ("POST /v1/chains/diff", {"source": str(file), "text": "chains: []\n"}),
    ]


@pytest.mark.parametrize(
    ("command", "route", "body"),
    [
        (["nf", "scale", "wire", "3"], "POST /v1/services/wire/scale", {"replicas": 3}),
        (
            ["nf", "query", "wire-1", '{"query": "x"}'],
            "POST /v1/nfs/wire-1/query",
            {"query": "x"},
        ),
    ],
)
def test_what_is_sent(api, command, route, body):
    api.answers[route] = 200, plain(APPLIED)
    assert api.onvm(*command) == ExitCode.OK
    assert api.asked == [(route, body)]


PROBLEM = {"file": "lab.yml", "line": 3, "key": "chains[0].path", "message": "at most 16 fit"}

# (what the API answers, exit code, words on standard error)
REFUSALS = [
    ((404, {"error": "there is no NF x", "problems": []}), ExitCode.FAILED, "onvm: there is no NF"),
    ((503, {"error": "no data plane", "problems": []}), ExitCode.FAILED, "onvm: no data plane"),
    (
        (422, {"error": "1 problem: nothing was changed", "problems": [PROBLEM]}),
        ExitCode.SPEC_INVALID,
        "lab.yml:3: chains[0].path: at most 16 fit\nonvm: 1 problem: nothing was changed",
    ),
    ((500, b"Internal Server Error"), ExitCode.FAILED, "answered HTTP 500"),
    ((500, []), ExitCode.FAILED, "answered HTTP 500"),
    ((200, b"<html>"), ExitCode.FAILED, "is not JSON"),
]


@pytest.mark.parametrize(("answer", "code", "words"), REFUSALS)
def test_refusals(api, answer, code, words, capsys):
    api.answers["POST /v1/nfs/x/stop"] = answer
    assert api.onvm("nf", "stop", "x") == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err


def test_version_works_without_a_manager(tmp_path, capsys):
    assert run(["--socket", str(tmp_path / "none"), "version"]) == ExitCode.OK
    assert "does not run" in capsys.readouterr().out


def test_no_color_is_respected(api, monkeypatch, capsys):
    """Even where a terminal is claimed."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    api.answers["GET /v1/status"] = 200, plain(STATUS)
    api.onvm("status")
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    api.onvm("status")
    assert "\x1b[3" not in capsys.readouterr().out


def snapshot(time: float, packets: int, dropped: int) -> Any:
    """A node after so many packets of 100 bytes, as /v1/stats shows it."""
    count = FlowCount(packets, packets * 100)
    return asdict(
        Snapshot(
            time=time,
            node=NodeCounters(
                workers=(WorkerCounters(1, 0, 1000 * packets, 250 * packets, packets),),
                buffers=16384, buffers_out=5, buffers_queued=6,
                flows=1000, flow_hits=0, flow_misses=0,
                drops={"nf_policy": dropped, "runt": 0},
            ),
            ports=(PortStats("client", PortCounters(count, FlowCount(0, 0), 3, 0, 0, 0, 0)),),
            chains=(
                ChainStats(1, "web", False, False, 0, ChainCounters(count, count, dropped),
                           (HopStats(0, "wire", count),)),
                ChainStats(2, "web", True, True, 0,
                           ChainCounters(FlowCount(0, 0), FlowCount(0, 0), 0), ()),
            ),
            nfs=(),
        )
    )  # fmt: skip


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_stats_once_shows_totals(api, capsys):
    api.answers["GET /v1/stats"] = 200, snapshot(10.0, 12345, 7)
    assert api.onvm("stats") == ExitCode.OK
    out = capsys.readouterr().out
    found = rows(out)
    assert "1,000 flows known, 5 of 16,384 buffers with NFs, 6 in ports and queues" in out
    assert ["client", "12,345", "-", "-", "0", "-", "-", "3", "0", "0"] in found
    assert ["1", "wire", "12,345", "-", "-"] in found
    assert ["web", "(reverse,", "draining)", "in", "0", "-", "-"] in found
    assert "an NF's rules forbid the packet" in out
    assert "runt" not in out


def test_stats_between_two_looks_are_rates():
    first, second = snapshot(10.0, 1000, 0), snapshot(12.0, 21000, 500)
    console = Session().console
    with console.capture() as captured:
        console.print(stats.draw(second, first))
    found = rows(captured.get())
    assert ["client", "21,000", "10k", "8M", "0", "0", "0", "3", "0", "0"] in found
    assert ["1", "wire", "21,000", "10k", "8M"] in found
    assert next(row for row in found if row[0] == "nf_policy")[1:3] == ["500", "250"]


def test_stats_after_a_restart_count_from_zero():
    console = Session().console
    with console.capture() as captured:
        console.print(stats.draw(snapshot(11.0, 500, 0), snapshot(10.0, 90000, 3)))
    assert ["1", "wire", "500", "500", "400k"] in rows(captured.get())


@pytest.mark.parametrize(
    ("options", "pages"), [(["--json"], ["{", "{"]), ([], ["1,000", "no manager", "1,000"])]
)
def test_watching_outlasts_the_manager_and_ends_with_ctrl_c(
    api, monkeypatch, options, pages, capsys
):
    """One look, then the manager is away for one, then it is back, then Ctrl-C."""
    away = api.path.with_name("away.sock")
    steps: Iterator[Any] = iter([(api.path, away), (away, api.path), None])

    def sleep(_: float) -> None:
        step = next(steps)
        if step is None:
            raise KeyboardInterrupt
        step[0].rename(step[1])

    monkeypatch.setattr(watching.time, "sleep", sleep)
    api.answers["GET /v1/stats"] = 200, snapshot(10.0, 1, 0)
    assert api.onvm("stats", "--watch", *options) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert [start for line in lines for start in set(pages) if line.startswith(start)] == pages


def stage(name: str, hop: int | None, service: str | None, *cycles: int) -> models.Stage:
    """A stage with times below 16 cycles of 10 MHz, each in the bucket of its number."""
    values = sorted(cycles)
    return models.Stage(
        stage=name,
        hop=hop,
        service=service,
        count=len(values),
        sum=sum(values) / 1e7,
        max=max(values, default=0) / 1e7,
        p50=0.0,
        p99=0.0,
        p99_9=0.0,
        buckets={value: values.count(value) for value in values},
    )


def latencies(*stages: models.Stage, **more: Any) -> Any:
    chain = models.ChainLatency(name="web", id=1, reverse=True, stages=list(stages))
    facts = {"every": 1024, "refusal": None, "hz": 10_000_000, **more}
    return plain(models.Latency(chains=[chain], **facts))


def test_latency_shows_microseconds_by_stage(api, capsys):
    stages = stage("wait", 1, "wire", 1, 2, 2, 9), stage("total", None, None)
    api.answers["GET /v1/latency"] = 200, latencies(*stages)
    assert api.onvm("latency") == ExitCode.OK
    out = capsys.readouterr().out
    assert "one packet of 1,024 is sampled" in out
    found = rows(out)
    assert ["web", "(reverse)", "1", "wire", "wait", "0.2", "0.9", "0.9", "0.9", "4"] in found
    assert ["total", "-", "-", "-", "-", "0"] in found


# (how the passage of the probe ends, its exit code, words on standard output)
PROBES = [
    ({"end": "dropped", "reason": "probe_arrived"}, ExitCode.OK, "probe_arrived"),
    ({"end": "dropped", "reason": "oversize"}, ExitCode.FAILED, "oversize"),
    ({"end": "left", "by": "east", "to": "ab"}, ExitCode.OK, "out by link ab"),
    ({"end": "lost"}, ExitCode.FAILED, "not seen again"),
]


@pytest.mark.parametrize(("end", "code", "words"), PROBES, ids=[str(end) for end, _, _ in PROBES])
def test_a_probe_is_followed_to_its_end(api, end, code, words, capsys):
    passage = models.Passage(
        **{"id": 0x80000001, "chain": "web", "reverse": False, "port": "in", "link": None,
           "flow": 1, "length": 128, "packet": "udp", "hops": [], "seconds": 0.1, "by": None,
           "to": None, "reason": None, **end}
    )  # fmt: skip
    other = passage.model_copy(update={"id": 0x80000002})
    sent = models.SentProbes(probes=[models.SentProbe(id=passage.id, chain="web")])
    api.answers["GET /v1/chains"] = 200, plain(models.Chains(chains=[FORTH, BACK]))
    api.answers["POST /v1/probes"] = 200, plain(sent)
    api.answers["GET /v1/probes"] = 200, plain(models.Traces(passages=[other, passage]))
    assert api.onvm("chain", "probe", "web", "--seconds", "0.1", "--length", "99") == code
    assert words in capsys.readouterr().out
    bodies = [body for route, body in api.asked if route == "POST /v1/probes"]
    assert bodies == [{"chain": "web", "length": 99}]


def test_a_chain_that_nothing_enters_here_has_no_probe(api, capsys):
    api.answers["GET /v1/chains"] = 200, plain(models.Chains(chains=[FORTH]))
    assert api.onvm("chain", "probe", "other") == ExitCode.FAILED
    assert "enter no chain other" in capsys.readouterr().err

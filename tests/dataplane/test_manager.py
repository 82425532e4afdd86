# SPDX-License-Identifier: BSD-3-Clause
"""The manager with the real data plane and NFs as processes: deaths, rollouts, bad input."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dataplane.managed import Managed
from tests.dataplane.plane import eventually
from tests.dataplane.wire import Namespace, Traffic

PACE = 2000.0  # frames per second: far below what any machine can carry, so none may be lost
CHAIN = """
services:
  a: {nf: forward, replicas: 2}
  b: {nf: forward}
chains:
  - {name: web, match: {port: in}, path: [a, b], egress: out}
"""
NFS = ("a-1", "a-2", "b-1")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that NFs of another user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="onvm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make(directory: Path) -> Iterator[Callable[..., Managed]]:
    """Makes a node with other keys in node.yml; it ends with the test."""
    nodes: list[Managed] = []

    def make_one(**keys: Any) -> Managed:
        nodes.append(Managed(directory, **keys))
        return nodes[-1]

    yield make_one
    for node in nodes:
        node.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"onvm-test-{os.getpid()}")
    for port in ("in", "out"):
        made.wire(port)
    yield made
    made.close()


@pytest.fixture
def node(make: Callable[..., Managed], namespace: Namespace) -> Managed:
    """A node that runs CHAIN between two ports."""
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(CHAIN)
    return node


@pytest.fixture
def traffic(node: Managed, namespace: Namespace) -> Iterator[Traffic]:  # noqa: ARG001
    """Frames that pass the chain all the time."""
    source, sink = namespace.socket("in"), namespace.socket("out")
    flowing = Traffic(source, sink, PACE)
    try:
        eventually(lambda: len(flowing.arrived) > 100, "traffic flows")
        yield flowing
    finally:
        flowing.stop()
        source.close()
        sink.close()


def pids(node: Managed) -> dict[str, int]:
    return {name: node.nf(name)["pid"] for name in NFS}


def test_twenty_deaths_of_the_manager_lose_no_packet(node: Managed, traffic: Traffic) -> None:
    before = pids(node), node.dataplane_pid()
    for _ in range(20):
        node.kill()
        time.sleep(0.05)
        node.start()
        eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert (pids(node), node.dataplane_pid()) == before
    assert traffic.stop() == 0, node.losses()


def test_a_dead_data_plane_is_replaced_within_two_seconds(node: Managed, traffic: Traffic) -> None:
    before, plane = pids(node), node.dataplane_pid()
    killed = time.monotonic()
    os.kill(plane, signal.SIGKILL)
    eventually(lambda: traffic.arrived and max(traffic.arrived.values()) > killed + 1, "traffic")
    assert traffic.gap_after(killed) < 2.0
    assert node.dataplane_pid() != plane
    assert pids(node) == before, "NFs attach again without being restarted"
    assert node.get("/v1/status")["dataplane"]["restarts"] == 1


def test_a_dead_nf_is_replaced_within_a_second(node: Managed, traffic: Traffic) -> None:
    before = pids(node)
    killed = time.monotonic()
    os.kill(before["b-1"], signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 1.5, "traffic")
    assert traffic.gap_after(killed) < 1.0
    after = node.nf("b-1")
    assert (after["restarts"], after["last_end"]) == (1, "was killed by SIGKILL")
    assert after["pid"] != before["b-1"]
    assert (pids(node)["a-1"], pids(node)["a-2"]) == (before["a-1"], before["a-2"])


def test_scaling_up_and_down_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    for replicas in (4, 1, 3, 2):
        node.post("/v1/services/a/scale", {"replicas": replicas})
        names = [nf["name"] for nf in node.get("/v1/nfs")["nfs"] if nf["service"] == "a"]
        assert names == [f"a-{n}" for n in range(1, replicas + 1)]
    assert traffic.stop() == 0, node.losses()


def test_a_rollout_under_traffic_loses_no_packet(node: Managed, traffic: Traffic) -> None:
    longer = CHAIN.replace("path: [a, b]", "path: [b, c, a]").replace(
        "b: {nf: forward}",
        "b: {nf: forward, parameters: {swap_mac: true}}\n  c: {nf: flow_monitor}",
    )
    for text in (longer, CHAIN, longer, CHAIN):
        assert node.apply(text)["drained"]
    assert traffic.stop() == 0, node.losses()


def test_sigterm_ends_the_manager_and_nothing_else(node: Managed, traffic: Traffic) -> None:
    before = pids(node), node.dataplane_pid()
    assert node.terminate() == 0
    assert not (node.run / "manager.sock").exists()
    time.sleep(0.2)
    node.start()
    eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert (pids(node), node.dataplane_pid()) == before
    assert node.get("/v1/spec")["text"] == CHAIN
    assert traffic.stop() == 0, node.losses()


def test_an_nf_that_dies_while_the_manager_is_away_is_found_missing(node: Managed) -> None:
    gone = pids(node)["b-1"]
    node.kill()
    os.kill(gone, signal.SIGKILL)
    node.start()
    eventually(lambda: node.runs("b-1"), "it is started again")
    assert node.nf("b-1")["pid"] != gone


def test_a_second_manager_is_refused(node: Managed) -> None:
    assert node.process is not None
    command = [sys.executable, "-m", "onvm_runtime.manager", "--config", node.config]
    second = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert second.returncode == 1
    assert f"another manager (process {node.process.pid}) runs this node" in second.stderr.decode()
    assert node.answers()


def test_stop_all_leaves_no_process(node: Managed) -> None:
    everything = [*pids(node).values(), node.dataplane_pid()]
    command = [sys.executable, "-m", "onvm_runtime.manager", "--config", node.config]
    assert subprocess.run([*command, "--stop-all"], check=False, timeout=60).returncode == 0
    assert node.process is not None
    assert node.process.wait(10) == 0
    assert [pid for pid in everything if Path(f"/proc/{pid}").exists()] == []


def test_stop_all_needs_no_manager(node: Managed) -> None:
    everything = [*pids(node).values(), node.dataplane_pid()]
    node.kill()
    command = [sys.executable, "-m", "onvm_runtime.manager", "--config", node.config]
    assert subprocess.run([*command, "--stop-all"], check=False, timeout=60).returncode == 0
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything), "all end")


def test_a_port_that_is_missing_is_opened_when_it_comes(
    make: Callable[..., Managed], namespace: Namespace
) -> None:
    node = make(ports=[namespace.port("in"), namespace.port("late")])
    node.start()
    late = CHAIN.replace("egress: out", "egress: late")
    refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": late})
    assert refused.status_code == 409
    assert refused.json()["error"].startswith("port late is not open: ")
    (problem,) = node.get("/v1/status")["problems"]
    assert "n-late" in problem
    namespace.wire("late")
    eventually(lambda: not node.get("/v1/status")["problems"], "the port is opened")
    assert node.apply(late)["started"] == ["a-1", "a-2", "b-1"]


def test_a_chain_waits_for_its_port_after_a_restart(
    make: Callable[..., Managed], namespace: Namespace
) -> None:
    node = make(ports=[namespace.port("in"), namespace.port("out")])
    node.start()
    node.apply(CHAIN)
    namespace.unwire("out")
    os.kill(node.dataplane_pid(), signal.SIGKILL)
    eventually(lambda: any(c["withheld"] for c in node.get("/v1/chains")["chains"]), "it waits")
    namespace.wire("out")
    eventually(lambda: not node.get("/v1/status")["problems"], "it is in force again")
    (chain,) = node.get("/v1/chains")["chains"]
    assert (chain["withheld"], chain["draining"], chain["egress"]) == (False, False, "out")


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ("path: [a, c]", 422, "chains[0].path[1]"),
        ("path: [a, b], colour: red", 422, "chains[0].colour"),
        ("path: [a, b], priority: high", 422, "chains[0].priority"),
    ],
)
def test_a_wrong_spec_changes_nothing(node: Managed, wrong: str, status: int, said: str) -> None:
    before = pids(node), node.get("/v1/spec")
    text = CHAIN.replace("path: [a, b]", wrong)
    for path in ("/v1/chains/apply", "/v1/chains/diff"):
        refused = node.post(path, {"source": "chains.yml", "text": text})
        assert refused.status_code == status
        (problem,) = refused.json()["problems"]
        assert (problem["file"], problem["line"], problem["key"]) == ("chains.yml", 6, said)
    assert (pids(node), node.get("/v1/spec")) == before


def test_parameters_that_the_nf_itself_refuses_are_undone(node: Managed, traffic: Traffic) -> None:
    wrong = CHAIN.replace("b: {nf: forward}", "b: {nf: forward}\n  j: {nf: bridge, parameters: "
                          "{pairs: [[in, nowhere]]}}")  # fmt: skip
    refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": wrong})
    assert refused.status_code == 424
    assert refused.json()["error"].startswith("NF j-1 refuses its parameters: ")
    assert "nowhere" in refused.json()["error"]
    assert node.nf("j-1") == {}
    assert node.get("/v1/spec")["text"] == CHAIN
    assert traffic.stop() == 0, node.losses()


def test_a_running_nf_that_refuses_new_parameters_keeps_its_old_ones(node: Managed) -> None:
    bridge = CHAIN.replace("b: {nf: forward}", "b: {nf: forward}\n  j: {nf: bridge, parameters: "
                           "{pairs: [[in, out]]}}")  # fmt: skip
    node.apply(bridge)
    pid = node.nf("j-1")["pid"]
    wrong = bridge.replace("[in, out]", "[in, nowhere]")
    refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": wrong})
    assert refused.status_code == 424
    assert "nowhere" in refused.json()["error"]
    assert (node.nf("j-1")["state"], node.nf("j-1")["pid"]) == ("running", pid)
    assert node.get("/v1/spec")["text"] == bridge


def test_an_nf_that_cannot_start_is_undone_and_says_why(node: Managed) -> None:
    (node.directory / "catalogue/forward/forward").rename(node.directory / "away")
    more = CHAIN.replace("replicas: 2", "replicas: 3")
    refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": more})
    assert refused.status_code == 424
    assert "there is no program" in refused.json()["error"]
    assert sorted(nf["name"] for nf in node.get("/v1/nfs")["nfs"]) == list(NFS)


def test_a_full_disk_changes_nothing(node: Managed, traffic: Traffic) -> None:
    state = node.directory / "state"
    kept = (state / "state.json").read_text()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", state], check=True)
    try:
        (state / "state.json").write_text(kept)
        with pytest.raises(OSError, match="space"):
            (state / "ballast").write_bytes(bytes(64 << 10))
        more = CHAIN.replace("replicas: 2", "replicas: 3")
        refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": more})
        assert refused.status_code == 507
        assert "No space left" in refused.json()["error"]
        assert (state / "state.json").read_text() == kept
        assert sorted(nf["name"] for nf in node.get("/v1/nfs")["nfs"]) == list(NFS)
    finally:
        subprocess.run(["umount", state], check=True)
    assert traffic.stop() == 0, node.losses()


def test_an_instance_that_was_stopped_stays_stopped(node: Managed) -> None:
    assert node.post("/v1/nfs/a-2/stop").json()["state"] == "stopped"
    node.kill()
    node.start()
    eventually(lambda: node.runs("a-1"), "the others are adopted")
    assert node.nf("a-2")["state"] == "stopped"
    assert node.post("/v1/nfs/a-2/start").is_success
    eventually(lambda: node.runs("a-2"), "it runs")
    assert node.post("/v1/nfs/a-9/start").status_code == 404

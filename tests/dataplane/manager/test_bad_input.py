# SPDX-License-Identifier: BSD-3-Clause
"""What a user, a disk or a port can do wrong, and what is said and undone then."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.dataplane.manager.managed import CHAIN, NFS, Managed
from tests.dataplane.manager.wire import Namespace, Traffic
from tests.dataplane.plane import eventually


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
    before = node.pids(), node.get("/v1/spec")
    text = CHAIN.replace("path: [a, b]", wrong)
    for path in ("/v1/chains/apply", "/v1/chains/diff"):
        refused = node.post(path, {"source": "chains.yml", "text": text})
        assert refused.status_code == status
        (problem,) = refused.json()["problems"]
        assert (problem["file"], problem["line"], problem["key"]) == ("chains.yml", 6, said)
    assert (node.pids(), node.get("/v1/spec")) == before


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

# SPDX-License-Identifier: BSD-3-Clause
"""NFs in real containers."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.dataplane.manager.engine import context
from tests.dataplane.manager.managed import CHAIN, NFS, Managed
from tests.dataplane.manager.wire import Namespace, Traffic
from tests.dataplane.plane import eventually, nf_program

NF = "forward-under-test"  # an image of our own: the node's real ones stay as they are
NO_IMAGE = "forward-without-image"


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    client.images.build(
        fileobj=context(nf_program("forward")),
        custom_context=True,
        tag=f"onvm/{NF}:latest",
        rm=True,
        forcerm=True,
    )
    yield client
    client.images.remove(f"onvm/{NF}:latest", force=True)
    client.close()


@pytest.fixture
def node(
    make: Callable[..., Managed],
    namespace: Namespace,
    client: docker.DockerClient,  # noqa: ARG001
) -> Managed:
    """CHAIN with containers."""
    limits = {"memory": "48m", "pids": 5, "cpus": 1}
    ports = [namespace.port("in"), namespace.port("out")]
    node = make(runtime="docker", nf=limits, ports=ports)
    for name in (NF, NO_IMAGE):
        add_to_catalogue(node, name)
    node.start()
    node.apply(in_containers(CHAIN))
    return node


@pytest.fixture
def fused_image(client: docker.DockerClient) -> Iterator[None]:
    """The image of all modules; one that the node has gets its name back afterwards."""
    tag = "onvm/fused:latest"
    before = [image for image in client.images.list() if tag in image.tags]
    client.images.build(
        fileobj=context(nf_program("fused")), custom_context=True, tag=tag, rm=True, forcerm=True
    )
    yield
    client.images.remove(tag, force=True)
    for image in before:
        image.tag(tag)


@pytest.mark.usefixtures("fused_image")
def test_fused_services_share_a_container(node: Managed, client: docker.DockerClient) -> None:
    fused = CHAIN.replace(", replicas: 2}", ", fuse: true}").replace(
        "b: {nf: forward}", "b: {nf: forward, fuse: true, cpu_weight: 300}"
    )
    text = fused.replace("  a:", "  c:").replace("  b:", "  d:").replace("[a, b]", "[c, d]")
    node.apply(text)
    names = [nf["name"] for nf in node.get("/v1/nfs")["nfs"]]
    facts = container(client, node, names[0]).attrs
    assert [nf["pid"] for nf in node.get("/v1/nfs")["nfs"]] == [facts["State"]["Pid"]] * 2
    assert {(m["Source"], m["Destination"]) for m in facts["Mounts"]} == {
        (str(node.run / "nf" / name), f"/run/onvm/{name}") for name in names
    }
    host = facts["HostConfig"]
    assert (host["Memory"], host["CpuShares"], host["CpusetCpus"]) == (96 << 20, 4096, "1")
    assert host["CapDrop"] == ["ALL"]


def add_to_catalogue(node: Managed, name: str) -> None:
    forward = node.directory / "catalogue/forward"
    shutil.copytree(forward, forward.parent / name)
    entry = forward.parent / name / "nf.yml"
    entry.write_text(entry.read_text().replace("name: forward", f"name: {name}"))


def in_containers(text: str) -> str:
    return text.replace("nf: forward", f"nf: {NF}")


def container(client: docker.DockerClient, node: Managed, instance: str) -> Any:
    return client.containers.get(f"onvm-test-{node.directory.name}-{instance}")


def test_a_container_has_nothing_but_its_socket(node: Managed, client: docker.DockerClient) -> None:
    facts = container(client, node, "b-1").attrs
    host = facts["HostConfig"]
    assert {
        "network": host["NetworkMode"],
        "capabilities": (host["CapDrop"], host["CapAdd"], host["Privileged"]),
        "security": host["SecurityOpt"],
        "root": host["ReadonlyRootfs"],
        "user": facts["Config"]["User"],
        "memory": (host["Memory"], host["MemorySwap"]),
        "pids": host["PidsLimit"],
        "cpus": host["CpusetCpus"],
        "restart": host["RestartPolicy"]["Name"] or "no",
        "mounts": [(m["Source"], m["Destination"]) for m in facts["Mounts"]],
        "labels": {name: facts["Config"]["Labels"].get(f"onvm.{name}") for name in ("instance",)},
    } == {
        "network": "none",
        "capabilities": (["ALL"], None, False),
        "security": ["no-new-privileges"],
        "root": True,
        "user": "65532:65532",
        "memory": (48 << 20, 48 << 20),
        "pids": 5,
        "cpus": "1",
        "restart": "no",
        "mounts": [(str(node.run / "nf/b-1"), "/run/onvm")],
        "labels": {"instance": "b-1"},
    }
    status = Path(f"/proc/{node.nf('b-1')['pid']}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_a_killed_container_is_back_within_a_second(node: Managed, traffic: Traffic) -> None:
    killed, pid = time.monotonic(), node.nf("b-1")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 1.5, "traffic")
    assert traffic.gap_after(killed) < 1.0
    assert node.nf("b-1")["last_end"] == "was killed by SIGKILL"


def test_a_killed_manager_adopts_its_containers(node: Managed, traffic: Traffic) -> None:
    before = node.pids()
    for _ in range(3):
        node.kill()
        node.start()
        eventually(lambda: all(node.runs(name) for name in NFS), "all NFs are adopted")
    assert node.pids() == before
    assert traffic.stop() == 0, node.losses()


def test_containers_attach_again_to_a_new_data_plane(node: Managed, traffic: Traffic) -> None:
    before, killed = node.pids(), time.monotonic()
    os.kill(node.dataplane_pid(), signal.SIGKILL)
    eventually(lambda: max(traffic.arrived.values()) > killed + 2, "traffic", 20)
    assert traffic.gap_after(killed) < 2.0
    assert node.pids() == before


def test_logs_survive_a_restart(node: Managed) -> None:
    node.post("/v1/nfs/b-1/restart")
    eventually(lambda: node.runs("b-1"), "it runs")
    lines = node.get("/v1/nfs/b-1/logs")["lines"]
    assert len([line for line in lines if "attached as b-1" in line]) == 2


def test_a_container_that_cannot_be_started_again_is_replaced(
    node: Managed, client: docker.DockerClient
) -> None:
    """As one is of which an engine that died half-way through its start has kept a part."""
    before = container(client, node, "b-1")
    shutil.rmtree(before.attrs["GraphDriver"]["Data"]["UpperDir"])
    before.kill()
    eventually(lambda: node.nf("b-1").get("pid") and node.runs("b-1"), "it runs")
    assert container(client, node, "b-1").id != before.id


def test_a_container_that_is_not_wanted_is_removed(
    node: Managed, client: docker.DockerClient
) -> None:
    node.post("/v1/services/a/scale", {"replicas": 1})
    with pytest.raises(docker.errors.NotFound):
        container(client, node, "a-2")


def test_a_missing_image_is_named_and_undone(node: Managed) -> None:
    more = in_containers(CHAIN).replace("chains:", f"  c: {{nf: {NO_IMAGE}}}\nchains:")
    refused = node.post("/v1/chains/apply", {"source": "chains.yml", "text": more})
    assert refused.status_code == 424
    assert f"there is no image onvm/{NO_IMAGE}:latest" in refused.json()["error"]
    assert node.nf("c-1") == {}


def test_stop_all_leaves_no_container(node: Managed, client: docker.DockerClient) -> None:
    assert node.post("/v1/shutdown").is_success
    label = f"onvm.node=test-{node.directory.name}"
    assert client.containers.list(all=True, filters={"label": label}) == []

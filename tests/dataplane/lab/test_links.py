# SPDX-License-Identifier: BSD-3-Clause
"""Chains over three nodes: packets, failures, changes under traffic."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from tests.dataplane.lab.nodes import LINKS, LabOfNodes
from tests.dataplane.manager.managed import Managed
from tests.dataplane.manager.wire import PACE, Traffic
from tests.dataplane.plane import eventually
from tests.dataplane.stalls import StallMeter

SERVICES = """
services:
  near: {nf: forward, on: a}
  middle: {nf: forward, on: b}
  far: {nf: flow_monitor, on: c}
  both: {nf: forward, on: [b, c]}
"""
ENDS = "ingress: {node: a, port: client}, egress: {node: c, port: server}"
THROUGH = f"chains: [{{name: web, {ENDS}, path: [near, middle, far], bidirectional: true}}]"
STRAIGHT = f"chains: [{{name: web, {ENDS}, path: [near, far], bidirectional: true}}]"
ONE_WAY = f"chains: [{{name: web, {ENDS}, path: [near, middle, far]}}]"
LANES = f"chains: [{{name: web, {ENDS}, path: [near, both], bidirectional: true}}]"
BACKED = (
    f"chains: [{{name: web, {ENDS}, path: [near, middle, far], bidirectional: true, "
    f"backup: spare}}, {{name: spare, {ENDS}, path: [near, far], bidirectional: true}}]"
)


def described(chains: str, kind: str = "nsh") -> str:
    return LINKS[kind] + SERVICES + chains


@contextmanager
def traffic(lab: LabOfNodes, source: str = "client", sink: str = "server") -> Iterator[Traffic]:
    """Frames through the lab all the time."""
    sender, receiver = lab.namespace.socket(source), lab.namespace.socket(sink)
    flowing = Traffic(sender, receiver, PACE)
    try:
        eventually(lambda: len(flowing.arrived) > 100, f"traffic flows: {lab.losses()}")
        yield flowing
    finally:
        flowing.stop()
        sender.close()
        receiver.close()


@pytest.mark.parametrize("kind", LINKS)
def test_packets_pass_three_nodes_and_come_back(lab: LabOfNodes, kind: str) -> None:
    lab.apply(described(THROUGH, kind))
    lab.until_up()
    with traffic(lab) as forth:
        assert forth.stop() == 0, lab.losses()
    with traffic(lab, "server", "client") as back:
        assert back.stop() == 0, lab.losses()
    for node, nf in (("a", "near-1"), ("b", "middle-1"), ("c", "far-1")):
        assert lab.handled(node, nf) >= 200, (node, nf)


def test_a_changed_chain_over_three_nodes_loses_no_packet(lab: LabOfNodes) -> None:
    lab.apply(described(THROUGH))
    lab.until_up()
    with traffic(lab) as flowing:
        for chains in (STRAIGHT, THROUGH, ONE_WAY, BACKED, LANES, THROUGH):
            lab.apply(described(chains))
        assert flowing.stop() == 0, lab.losses()


@pytest.mark.parametrize("what", ["a link", "a node"])
def test_a_backup_takes_over_within_a_second(lab: LabOfNodes, what: str) -> None:
    lab.apply(described(BACKED))
    lab.until_up()
    planes = [node.dataplane_pid() for node in lab.nodes.values()]
    with traffic(lab) as flowing, StallMeter([os.getpid(), *planes]) as meter:
        began = time.monotonic()
        if what == "a link":
            lab.namespace.cut("bc")
        else:
            os.kill(lab.nodes["b"].dataplane_pid(), 9)
            lab.nodes["b"].kill()
        time.sleep(2)
        gap, waited = flowing.gap_after(began), meter.total(since=began)
        assert gap < 1.0 + waited, f"programs waited {waited:.3f} s for a CPU"
        if what == "a link":
            lab.namespace.mend("bc")
            lab.until_up()
            time.sleep(1)
        flowing.stop()
        lost = lab.nodes["a"].losses()
        assert lost.keys() <= {"link_down"} or meter.total(since=began) > 0.1, lost


def test_a_node_that_falls_silent_is_avoided_and_loses_nothing(lab: LabOfNodes) -> None:
    lab.apply(described(BACKED))
    lab.until_up()
    with traffic(lab) as flowing:
        assert lab.nodes["b"].http.put("/v1/links/silence", json={"seconds": 60}).is_success
        eventually(lambda: not lab.links_up(), "others take its links for down")
        time.sleep(0.2)
        handled = lab.handled("b", "middle-1")
        time.sleep(0.3)
        assert lab.handled("b", "middle-1") == handled, "b still gets packets"
        assert lab.nodes["b"].http.put("/v1/links/silence", json={"seconds": 0}).is_success
        lab.until_up()
        eventually(lambda: lab.handled("b", "middle-1") > handled, "b takes part again")
        assert flowing.stop() == 0, lab.losses()


def test_a_backup_takes_over_from_a_service_that_has_no_instance(lab: LabOfNodes) -> None:
    lab.apply(described(BACKED))
    lab.until_up()
    b = lab.nodes["b"]
    middle = b.nf("middle-1")["pid"]
    with traffic(lab) as flowing, paused(b):
        os.kill(middle, SIGKILL)
        before = len(flowing.arrived)
        eventually(lambda: len(flowing.arrived) > before + 1000, "packets go by the backup")
        first = flowing.sent
        time.sleep(0.5)
        flowing.stop()
        later = range(first, flowing.sent)
        assert all(number in flowing.arrived for number in later), lab.nodes["a"].losses()
    eventually(lab.links_up, "there is another instance")
    with traffic(lab) as flowing:
        assert flowing.stop() == 0, lab.losses()
    assert lab.handled("b", "middle-1") >= 100


@contextmanager
def paused(node: Managed) -> Iterator[None]:
    """Nothing that ends on the node is started again."""
    assert node.process is not None
    os.kill(node.process.pid, SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.process.pid, SIGCONT)


def test_a_pause_of_all_nodes_takes_no_link_down(lab: LabOfNodes) -> None:
    """A machine that stands still makes nobody dead: what came meanwhile is read first."""
    lab.apply(described(THROUGH))
    lab.until_up()
    planes = [node.dataplane_pid() for node in lab.nodes.values()]
    with traffic(lab) as flowing:
        for signal in (SIGSTOP, SIGCONT):
            for plane in planes:
                os.kill(plane, signal)
            time.sleep(1)
        before = len(flowing.arrived)
        eventually(lambda: len(flowing.arrived) > before + 100, "traffic goes on")
        assert "link_down" not in lab.nodes["a"].losses(), lab.losses()


def test_without_a_backup_packets_are_shed_where_they_enter(lab: LabOfNodes) -> None:
    lab.apply(described(THROUGH))
    lab.until_up()
    with traffic(lab) as flowing:
        lab.namespace.cut("bc")
        eventually(lambda: lab.nodes["a"].losses().get("link_down", 0) > 100, "a sheds")
        handled = lab.handled("b", "middle-1")
        time.sleep(0.5)
        assert lab.handled("b", "middle-1") == handled, "b works in vain"
        lab.namespace.mend("bc")
        before = len(flowing.arrived)
        eventually(lambda: len(flowing.arrived) > before + 100, "traffic is back")


def test_replicas_on_two_nodes_share_the_flows(lab: LabOfNodes) -> None:
    lab.apply(described(f"chains: [{{name: web, {ENDS}, path: [near, both]}}]"))
    lab.until_up()
    names = [chain["name"] for chain in lab.nodes["a"].get("/v1/chains")["chains"]]
    assert {"web-1", "web-2"} <= set(names)
    with traffic(lab) as flowing:
        assert flowing.stop() == 0, lab.losses()

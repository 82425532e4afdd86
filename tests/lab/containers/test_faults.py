# SPDX-License-Identifier: BSD-3-Clause
"""Nodes die and links are cut: packets go another way, or are shed where they enter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.dataplane.plane import eventually
from tests.lab.containers.lab import STRAIGHT, THROUGH, Lab

SECONDS = 3.0  # that a fault is watched; it is seen in less than one on a machine that is free

FAULTS: dict[str, tuple[Callable[[Lab], None], Callable[[Lab], None]]] = {
    "a link is cut": (lambda lab: lab.cut("n2", "n3"), lambda lab: lab.mend("n2", "n3")),
    "a node is killed": (lambda lab: lab.nodes["n2"].kill(), lambda lab: lab.revive("n2")),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest, deployed: Lab) -> Iterator[str]:
    """A fault, which is over after the test."""
    yield request.param
    FAULTS[request.param][1](deployed)
    deployed.until_up()


def test_a_backup_takes_over(deployed: Lab, fault: str) -> None:
    deployed.roll_out(THROUGH, backup=True)
    deployed.until_up()
    with deployed.traffic() as flowing:
        began = time.monotonic()
        FAULTS[fault][0](deployed)
        time.sleep(SECONDS)
        gap, lost = flowing.gap_after(began), flowing.stop()
    deployed.report.say(
        f"{fault}, with a backup: {gap * 1e3:.0f} ms without a packet, {lost} of them lost"
    )
    assert gap < SECONDS, deployed.losses()


def test_without_a_backup_packets_are_shed_where_they_enter(deployed: Lab, fault: str) -> None:
    deployed.roll_out(THROUGH)
    deployed.until_up()
    shed = deployed.nodes["n1"].losses().get("link_down", 0)
    with deployed.traffic() as flowing:
        began = time.monotonic()
        FAULTS[fault][0](deployed)
        eventually(
            lambda: deployed.nodes["n1"].losses().get("link_down", 0) > shed + 100, "n1 sheds", 20
        )
        seen = time.monotonic() - began
        arrived = len(flowing.arrived)
        time.sleep(1)
        assert len(flowing.arrived) == arrived
    deployed.report.say(
        f"{fault}, without one: shed by the node of entry within {seen * 1e3:.0f} ms"
    )


def test_a_node_that_comes_back_carries_its_chains_again(deployed: Lab) -> None:
    deployed.roll_out(THROUGH)
    deployed.until_up()
    deployed.nodes["n2"].kill()
    began = time.monotonic()
    deployed.revive("n2")
    deployed.until_up()
    seconds = time.monotonic() - began
    with deployed.traffic() as flowing:
        assert flowing.stop() == 0, deployed.losses()
    deployed.report.say(
        f"a node that was killed: started and passing packets after {seconds:.1f} s"
    )


def test_a_dead_node_stops_a_rollout_before_it_begins(deployed: Lab) -> None:
    deployed.roll_out(THROUGH)
    before = deployed.all_chains()
    deployed.nodes["n2"].kill()
    try:
        deployed.describe(STRAIGHT)
        run = deployed.controller.play("playbooks/chains.yml")
        assert run.code != 0
        assert "n2" in run.output
        now = {name: deployed.chains(name) for name in ("n1", "n3")}
        assert now == {name: before[name] for name in now}
    finally:
        deployed.revive("n2")
        deployed.until_up()

# SPDX-License-Identifier: BSD-3-Clause
"""Rollouts that are interrupted at every stage, under traffic: what is left, and what heals it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onvm_runtime.lab import phases
from tests.dataplane.plane import eventually
from tests.deploy import playbook
from tests.lab.containers.lab import STRAIGHT, THROUGH, Lab

# What ansible-playbook prints when a stage begins.
STAGES = {
    "validate": r"TASK \[chains : Ask the manager what would change\]",
    "lease": r"TASK \[chains : Have the chains to ourselves\]",
    "prepare": r"TASK \[chains : Prepare\]",
    "switch": r"TASK \[chains : Switch\]",
    "retire": r"TASK \[chains : Retire\]",
}
FAULTS: dict[str, Callable[[Lab], None]] = {
    "the controller crashes": lambda lab: lab.controller.crash(),
    "a manager is killed": lambda lab: lab.nodes["n2"].kill_manager(),
    "the management link is cut": lambda lab: lab.controller.cut("n2"),
}
LEASE = 20  # seconds; by default 60, for which a table of many rollouts has no time
SENTENCES = (
    r"The chains could not be changed everywhere.*",
    r"All nodes use the new chains, but.*",
    r".*UNREACHABLE.*",
    r".*\[ERROR\]: Task failed: .*",
)


@pytest.fixture(scope="module")
def versions(deployed: Lab) -> Iterator[list[dict[str, Any]]]:
    """What is in force on every node: what shall be next, and what is now."""
    deployed.report.chapter(f"Rollouts interrupted (lease: {LEASE} s)")
    head = "stage", "fault", "how the run ended", "what was left", "the next run", "packets lost"
    deployed.report.row(*head)
    deployed.report.row(*("---" for _ in head))
    found = []
    for path in (STRAIGHT, THROUGH):
        deployed.roll_out(path)
        found.append({"path": path, **deployed.all_chains()})
    return found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
def test_traffic_flows_on_and_the_next_run_heals_it(
    deployed: Lab, versions: list[dict[str, Any]], stage: str, fault: str
) -> None:
    wanted, present = versions
    deployed.until_up()
    deployed.describe(wanted["path"], onvm_chains_lease=LEASE)
    with deployed.traffic() as flowing:
        play = deployed.controller.begin("playbooks/chains.yml")
        assert play.until(STAGES[stage]), "".join(play.lines)
        FAULTS[fault](deployed)
        ended = play.wait()
        eventually(lambda: all(node.answers() for node in deployed.nodes.values()), "they answer")
        left = what_is_left(deployed, present, wanted)
        still = len(flowing.arrived)
        eventually(lambda: len(flowing.arrived) > still + 1000, "packets still pass")
        deployed.controller.mend("n2")
        again = deployed.controller.begin("playbooks/chains.yml")
        healed = again.wait().succeeded()
        lost = flowing.stop()
    deployed.report.row(
        stage, fault, how(ended), left,
        f"{again.seconds:.0f} s, changed {healed.changed_hosts} nodes", f"{lost} of {flowing.sent}",
    )  # fmt: skip
    assert {name: wanted[name] for name in deployed.nodes} == deployed.all_chains()
    versions.reverse()
    assert lost == 0, deployed.losses()


def how(run: playbook.Run) -> str:
    """How a run ended, in a few words."""
    if run.code == 0:
        return "done"
    if run.code < 0:
        return "killed"
    said = (re.search(sentence, run.output) for sentence in SENTENCES)
    return next((found.group(0).strip()[:160] for found in said if found), f"code {run.code}")


def what_is_left(lab: Lab, old: dict[str, Any], new: dict[str, Any]) -> str:
    """The phase that each node is in, and who still has a lease."""
    time.sleep(2)  # what a node was told before is done by then
    said = []
    for name, node in lab.nodes.items():
        known = {"old": old[name], "new": new[name], **vars(phases(old[name], new[name]))}
        present = lab.chains(name)
        phase = next((one for one, there in known.items() if there == present), "unknown")
        said.append(f"{name} {phase}{' (leased)' * node.leased()}")
    return ", ".join(said)

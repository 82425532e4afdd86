# SPDX-License-Identifier: BSD-3-Clause
"""playbooks/chains.yml over three nodes: all of them change, or none."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.dataplane.lab.nodes import PORTS, LabOfNodes
from tests.dataplane.lab.rollout import Rollout


@pytest.fixture
def rollout(lab: LabOfNodes, tmp_path: Path) -> Rollout:
    return Rollout(lab, tmp_path)


def test_all_nodes_change_and_a_second_run_changes_nothing(rollout: Rollout) -> None:
    first = rollout.run()
    assert first.returncode == 0, first.stdout + first.stderr
    assert all("web" in text for text in rollout.texts().values())
    rollout.lab.until_up()
    checked = rollout.run("--check", "--diff")
    again = rollout.run()
    for done in (checked, again):
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("changed=0") == len(PORTS), done.stdout


def test_where_one_node_fails_all_go_back_and_the_result_says_which(rollout: Rollout) -> None:
    assert rollout.run().returncode == 0
    before = rollout.texts()
    (rollout.lab.nodes["c"].directory / "catalogue/flow_monitor/flow_monitor").write_text("no NF")
    rollout.describe(["near", "far", "middle"], nf="flow_monitor")
    failed = rollout.run()
    assert failed.returncode != 0
    assert "is forward in the running service" in failed.stdout, "c is asked before a changes"
    assert rollout.texts() == before

    rollout.lab.nodes["c"].apply("{services: {}, chains: []}")
    failed = rollout.run()
    assert failed.returncode != 0
    assert "c: NF far-1" in failed.stdout, failed.stdout
    assert "All nodes are as they were" in failed.stdout
    assert {name: text for name, text in rollout.texts().items() if name != "c"} == {
        name: text for name, text in before.items() if name != "c"
    }


def process(rollout: Rollout, node: str, nf: str) -> int:
    """The process of an NF."""
    nfs = rollout.lab.nodes[node].get("/v1/nfs")["nfs"]
    return next(int(one["pid"]) for one in nfs if one["name"] == nf)


def refuse(rollout: Rollout, why: str, **variables: float) -> None:
    """Asserts that a rollout fails for this reason, and changes no node."""
    before = {name: node.content() for name, node in rollout.lab.nodes.items()}
    failed = rollout.run("-e", json.dumps({"onvm_chains_probe_seconds": 3, **variables}))
    assert failed.returncode != 0
    assert f"{why}. All nodes are as they were" in failed.stdout, failed.stdout
    assert {name: node.content() for name, node in rollout.lab.nodes.items()} == before


PATH = ["near", "middle", "far"]


def roll_out(rollout: Rollout, path: list[str]) -> None:
    """Asserts that a rollout succeeds."""
    rollout.describe(path)
    done = rollout.run()
    assert done.returncode == 0, done.stdout


def none_left(rollout: Rollout) -> bool:
    """Whether nobody outside the lab saw a probe packet."""
    nodes = rollout.lab.nodes
    return bool(nodes["a"].sent("client") == nodes["c"].sent("server") == 0)


def test_where_a_probe_is_lost_all_go_back_and_the_result_says_where(rollout: Rollout) -> None:
    roll_out(rollout, PATH)
    rollout.describe(["near", "middle"])
    stopped = process(rollout, "b", "middle-1")
    os.kill(stopped, signal.SIGSTOP)
    lost = "was lost at b, in or before hop 1, middle"
    refuse(
        rollout,
        f"the probe of chain web from a {lost}; the probe of chain web-back from c {lost}",
    )
    os.kill(stopped, signal.SIGCONT)
    assert none_left(rollout)


@pytest.mark.long
def test_a_link_that_cannot_carry_full_frames_is_found(rollout: Rollout) -> None:
    rollout.limit("bc", 1500)
    rollout.describe(PATH)
    where = "was dropped at b, behind middle-1, on its way to link bc"
    way_back = "the probe of chain web-back from c was dropped at c, behind far-1, on its way to"
    refuse(
        rollout,
        f"the probe of chain web from a {where}: oversize; {way_back} link bc: oversize",
        onvm_chains_probe_length=1514,
    )
    rollout.limit("bc", None)
    roll_out(rollout, PATH)
    assert none_left(rollout)


@pytest.mark.long
def test_a_link_that_is_cut_stops_a_rollout(rollout: Rollout) -> None:
    roll_out(rollout, PATH)
    rollout.describe(["near", "middle"])
    rollout.lab.namespace.cut("bc")
    silence = "no word from the other end of bc: the link is not up"
    refuse(rollout, f"b: {silence}; c: {silence}")
    rollout.lab.namespace.mend("bc")
    assert rollout.run().returncode == 0
    assert none_left(rollout)


@pytest.mark.long
def test_what_an_nf_drops_by_its_rules_has_arrived(rollout: Rollout) -> None:
    rollout.describe(["near", "middle", "far"], "firewall", {"default": "drop"})
    done = rollout.run()
    assert done.returncode == 0, done.stdout
    assert "chain web from a was dropped at c by far-1: nf_policy" in done.stdout
    assert "chain web-back from c was dropped at c by far-1: nf_policy" in done.stdout


@pytest.mark.long
def test_two_rollouts_at_once_are_one_too_many(rollout: Rollout) -> None:
    lease = {"holder": "somebody else", "seconds": 60}
    assert rollout.lab.nodes["b"].http.put("/v1/lease", json=lease).is_success
    refused = rollout.run("--extra-vars", "onvm_chains_wait=1")
    assert refused.returncode != 0
    assert "somebody else" in refused.stdout
    assert set(rollout.texts().values()) == {""}, "no node was touched"
    rollout.lab.nodes["b"].http.delete("/v1/lease/somebody%20else")
    assert rollout.run().returncode == 0


def test_a_node_that_does_not_answer_stops_the_rollout_before_it_begins(rollout: Rollout) -> None:
    rollout.lab.nodes["c"].kill()
    failed = rollout.run()
    assert failed.returncode != 0
    assert "is onvm-manager running?" in failed.stdout
    others = [rollout.lab.nodes[name].get("/v1/spec")["text"] for name in ("a", "b")]
    assert others == ["", ""]

# SPDX-License-Identifier: BSD-3-Clause
"""Where one node cannot follow, all go back, and the result says which one and why."""

from __future__ import annotations

import re

from tests.lab.containers.lab import STRAIGHT, Lab

# When it has prepared, and answered.
BE_AWAY_FOR_THE_SWITCH = """
was=$(md5sum </var/lib/onvm/state.json)
while [ "$(md5sum </var/lib/onvm/state.json)" = "$was" ]; do sleep 0.01; done
sleep 0.2
systemctl stop onvm-manager
sleep 5
systemctl start onvm-manager
"""


def test_an_image_that_one_node_lacks(lab: Lab) -> None:
    lab.nodes["n3"].run("docker", "image", "rm", "onvm/firewall:latest")
    lab.describe(["near", "wall", "far"])
    try:
        said = undone(lab)
        assert "n3: NF wall-1 did not start: there is no image onvm/firewall:latest" in said
    finally:
        lab.controller.play("playbooks/images.yml").succeeded()


def test_a_manager_that_is_away_for_the_switch(lab: Lab) -> None:
    lab.nodes["n3"].detached(BE_AWAY_FOR_THE_SWITCH)
    lab.describe(STRAIGHT)
    said = undone(lab)
    assert "n3: no manager answers" in said


def undone(lab: Lab) -> str:
    """Run a rollout that fails under traffic; returns what it says."""
    before = lab.all_chains()
    with lab.traffic() as flowing:
        play = lab.controller.begin("playbooks/chains.yml")
        run = play.wait()
        assert run.code != 0, run.output
        assert lab.all_chains() == before
        lost = flowing.stop()
    said = re.sub(r"\s+", " ", run.output)
    assert "All nodes are as they were." in said, run.output
    sentence = re.search(r"The chains could not be changed everywhere: .*?were\.", said)
    assert sentence
    lab.report.say(f"rollback in {play.seconds:.1f} s, {lost} packets lost: {sentence.group(0)}")
    assert lost == 0, lab.losses()
    return said

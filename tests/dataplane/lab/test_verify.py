# SPDX-License-Identifier: BSD-3-Clause
"""playbooks/verify.yml and collect.yml over three nodes that run here."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.dataplane.lab.nodes import PORTS, LabOfNodes
from tests.dataplane.lab.rollout import Rollout


@pytest.fixture
def rollout(lab: LabOfNodes, tmp_path: Path) -> Rollout:
    return Rollout(lab, tmp_path)


def verify_without_configuration(
    rollout: Rollout, config: Path
) -> subprocess.CompletedProcess[str]:
    """Runs it while a node's file is empty; the node is ended by that file in the end."""
    text = config.read_text()
    config.write_text("{}")
    try:
        return rollout.verify()
    finally:
        config.write_text(text)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_differs_is_listed_and_what_there_is_is_collected(
    rollout: Rollout, tmp_path: Path
) -> None:
    assert rollout.run().returncode == 0
    rollout.lab.until_up()
    first = rollout.verify()
    assert first.returncode != 0, "nothing was built here"
    assert first.stdout.count("failed=1") == len(PORTS), first.stdout
    assert "it was built from other sources than these" in first.stdout
    digest = re.search(r"[0-9a-f]{40} python [0-9.]+", first.stdout)
    assert digest
    rollout.install(digest[0])
    right = rollout.verify()
    assert right.returncode == 0, right.stdout + right.stderr
    assert right.stdout.count("changed=0") == len(PORTS), right.stdout

    collected = rollout.play("collect", "-e", f"onvm_records_folder={tmp_path}/records")
    assert collected.returncode == 0, collected.stdout + collected.stderr
    (archive,) = (tmp_path / "records").glob("onvm-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {"/".join(Path(name).parts[1:]) for name in opened.getnames()}
    wanted = {"api/status.json", "api/metrics.txt", "etc/node.yml", "log/dataplane.log"}
    assert {f"{node}/{name}" for node in PORTS for name in wanted} - names == set()
    assert "b/nf/middle-1.log" in names

    rollout.lab.nodes["a"].apply("{services: {}, chains: []}")
    rollout.lab.nodes["c"].kill()
    wrong = verify_without_configuration(rollout, rollout.lab.nodes["b"].config)
    assert wrong.returncode != 0
    for sentence in (
        "service near is missing: run playbooks/chains.yml",
        "node.yml is not as the inventory describes the node",
        f"no manager answers on {rollout.lab.nodes['c'].run}",
    ):
        assert sentence in wrong.stdout, wrong.stdout
    assert "near" not in rollout.lab.nodes["a"].get("/v1/spec")["text"], "it only looks"

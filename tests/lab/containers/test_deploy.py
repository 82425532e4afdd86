# SPDX-License-Identifier: BSD-3-Clause
"""site.yml makes three bare nodes a lab, and then has nothing to do."""

from __future__ import annotations

from tests.lab.containers.lab import Lab


def test_a_second_run_changes_nothing(deployed: Lab) -> None:
    run = deployed.measured("site.yml, second run", "site.yml")
    assert run.changed == 0, run.output


def test_check_mode_agrees(deployed: Lab) -> None:
    run = deployed.measured("site.yml --check", "site.yml", "--check")
    assert run.changed == 0, run.output


def test_a_rollout_with_nothing_to_do_changes_nothing(deployed: Lab) -> None:
    run = deployed.measured("chains.yml, nothing to do", "playbooks/chains.yml")
    assert run.changed == 0, run.output

# SPDX-License-Identifier: BSD-3-Clause
"""playbooks/teardown.yml puts the nodes back. The last test: nothing is deployed after it."""

from __future__ import annotations

from pathlib import Path

from tests.lab.containers.lab import Lab

PAGES = Path("/proc/sys/vm/nr_hugepages")


def test_teardown_puts_all_nodes_back(deployed: Lab) -> None:
    pages = PAGES.read_text()
    deployed.measured("teardown.yml", "playbooks/teardown.yml")
    for name, node in deployed.nodes.items():
        before, now = deployed.before[name], node.state()
        changes = {what: changed(before[what], now[what]) for what in before}
        assert not any(changes.values()), (name, changes)
    assert PAGES.read_text() == pages


def changed(before: str, now: str) -> list[str]:
    """The lines that are in one of both only."""
    return sorted(set(before.splitlines()) ^ set(now.splitlines()))

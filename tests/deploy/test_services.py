# SPDX-License-Identifier: BSD-3-Clause
"""The manager's service files, rendered into a folder of the test's own, with a manager that
writes down its life."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest

MANAGER = """#!/bin/sh
echo "started with $*"
trap 'echo ended; exit 0' TERM
while :; do sleep 0.05; done
"""
PATIENCE = 10.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def render(checkout: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """Renders a template of the role into a file below tmp_path."""
    paths = {name: tmp_path / name for name in ("prefix", "venv", "etc", "run", "log")}
    (paths["venv"] / "bin").mkdir(parents=True)
    paths["log"].mkdir()
    manager = paths["venv"] / "bin/onvm-manager"
    manager.write_text(MANAGER)
    manager.chmod(0o755)
    role = checkout / "roles/onvm_runtime"
    (paths["prefix"] / "libexec").mkdir(parents=True)
    (paths["prefix"] / "libexec/supervise").symlink_to(role / "files/supervise")

    def write(template: str, name: str) -> Path:
        text = (role / "templates" / template).read_text()
        values = {f"onvm_runtime_{name}": str(path) for name, path in paths.items()}
        rendered = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(
            values, ansible_managed="rendered by a test"
        )
        file = tmp_path / name
        file.write_text(rendered + "\n")
        return file

    return write


@pytest.fixture
def service(render) -> Iterator[Callable[[str], int]]:
    """Runs the init script; stopped at the end."""
    script = render("onvm-manager.init.j2", "onvm-manager")

    def call(action: str) -> int:
        command = ["/bin/sh", script, action]
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode

    yield call
    call("stop")


@pytest.fixture
def life(tmp_path: Path) -> Callable[[], list[str]]:
    """What managers have written so far."""
    log = tmp_path / "log/manager.log"
    return lambda: log.read_text().splitlines() if log.exists() else []


def test_systemd_accepts_the_unit(render):
    unit = render("onvm-manager.service.j2", "onvm-manager.service")
    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], check=False, capture_output=True, text=True
    )
    assert "onvm-manager.service" not in verdict.stderr, verdict.stderr


def test_shellcheck_accepts_the_init_script(render):
    script = render("onvm-manager.init.j2", "onvm-manager")
    subprocess.run(["shellcheck", "--exclude=SC1091", script], check=True)


def test_it_starts_once_and_stops(service, life, tmp_path):
    assert service("status") != 0
    assert service("start") == 0
    eventually(lambda: len(life()) == 1, "the manager runs")
    assert life() == [f"started with --config {tmp_path}/etc/node.yml"]
    assert service("status") == 0
    assert service("start") == 0
    assert service("stop") == 0
    assert life()[1:] == ["ended"]
    assert service("status") != 0
    assert service("stop") == 0


def test_a_restart_ends_one_and_starts_another(service, life):
    service("start")
    eventually(lambda: len(life()) == 1, "the manager runs")
    assert service("restart") == 0
    eventually(lambda: len(life()) == 3, "another manager runs")
    assert [line.split()[0] for line in life()] == ["started", "ended", "started"]


def test_a_killed_manager_is_started_again(service, life, tmp_path):
    service("start")
    eventually(lambda: len(life()) == 1, "the manager runs")
    supervisor = int((tmp_path / "run-manager.pid").read_text())
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    eventually(lambda: sum("started with" in line for line in life()) == 2, "another runs")
    assert any("ended with status 137; it is started again" in line for line in life())


def test_an_unknown_action_is_refused(service):
    assert service("explode") == 3

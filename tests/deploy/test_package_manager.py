# SPDX-License-Identifier: BSD-3-Clause
"""Preflight's look at dpkg, with locks and answers of our own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EX_TEMPFAIL = 75
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def look(checkout: Path, tmp_path: Path):
    """Runs the script with a lock file and a dpkg of the test's own."""
    text = (checkout / "roles/preflight/files/package_manager.py").read_text()
    lock = tmp_path / "lock-frontend"
    lock.touch()
    text = text.replace("/var/lib/dpkg/lock-frontend", str(lock))
    dpkg = tmp_path / "dpkg"

    def run(audit: str = "") -> subprocess.CompletedProcess[str]:
        dpkg.write_text(f"#!/bin/sh\nprintf '%s' '{audit}'\n")
        dpkg.chmod(0o755)
        return subprocess.run(
            [sys.executable, "-"],
            check=False, input=text, capture_output=True, text=True,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        )  # fmt: skip

    run.lock = lock
    return run


def test_an_idle_package_manager_is_fine(look):
    assert look().returncode == 0


def test_a_busy_one_is_named_and_may_be_waited_for(look):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, look.lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        holder.stdout.readline()
        result = look()
    finally:
        holder.communicate()
    assert result.returncode == EX_TEMPFAIL
    assert f"Process {holder.pid} holds" in result.stderr


def test_an_interrupted_installation_is_refused(look):
    result = look(audit="The following packages are only half configured")
    assert result.returncode == 1
    assert "dpkg --configure -a" in result.stderr


def test_a_host_without_dpkg_is_refused(look):
    look.lock.unlink()
    assert "not a Debian system" in look().stderr

# SPDX-License-Identifier: BSD-3-Clause
"""Runs playbooks on this host and reads their recaps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


@dataclass(frozen=True)
class Run:
    """How a playbook ended: its exit code, what it printed, tasks that changed something."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        """Tasks that changed something, by the recap."""
        return sum(map(int, re.findall(r"\bchanged=(\d+)", self.output)))

    @property
    def changed_hosts(self) -> int:
        """Hosts on which it changed something."""
        return len(re.findall(r"\bchanged=[1-9]", self.output))

    def succeeded(self) -> Run:
        """This run; fails the test with its output when it failed."""
        assert self.code == 0, self.output
        return self


def run(checkout: Path, *words: str, **variables: Any) -> Run:
    """Run playbooks, with options of ansible-playbook and extra variables."""
    extra = ["--extra-vars", json.dumps(variables)] if variables else []
    result = subprocess.run(
        [ANSIBLE, *words, *extra],
        check=False, cwd=checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return Run(result.returncode, result.stdout)

# SPDX-License-Identifier: BSD-3-Clause
"""The machine that is measured, and what stands in the way of measuring it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.failure import BenchError

PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
PAGES_NEEDED = 110  # what two data planes ask for, or one and both baselines


def describe(build: Path) -> dict[str, Any]:
    """CPU, cores, kernel, DPDK and the build; strings for people."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "hypervisor": _hypervisor(),
        "kernel": platform.release(),
        "free_hugepages": free_pages(),
        "dataplane": _version(build),
        "build": _build_options(build),
    }


def free_pages() -> int:
    """Huge pages of 2 MB that nobody has; 0 where there are none."""
    return int(PAGES.read_text()) if PAGES.exists() else 0


def refuse_unfit(build: Path) -> None:
    """Raises BenchError when figures taken here would say nothing."""
    if os.geteuid() != 0:
        raise BenchError("pinning, huge pages and namespaces need root: run it as root")
    if free_pages() < PAGES_NEEDED:
        raise BenchError(
            f"{PAGES_NEEDED} huge pages of 2 MB are needed and {free_pages()} are free: reserve "
            f"{PAGES_NEEDED - free_pages()} more (playbooks/provision.yml, or /proc/sys/vm/"
            "nr_hugepages)"
        )
    if "sanitize" in _build_options(build):
        raise BenchError(f"{build} has sanitizers, which cost more than packets: use another build")


def cores(asked: str | None) -> tuple[int, ...]:
    """The CPUs to measure on, from a list as taskset writes it; all that may be used by default.

    Raises BenchError for a list that is wrong or names what may not be used.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if asked is None:
        return tuple(allowed)
    wanted = numbers("--cores", asked)
    if not set(wanted) <= set(allowed):
        raise BenchError(f"--cores {asked}: this process may use {_list(allowed)}")
    return wanted


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Reads 0-3,8; raises BenchError when it is no such list or names nothing."""
    try:
        found = [number for part in text.split(",") for number in _range(part)]
    except ValueError:
        raise BenchError(f"{option} takes a list such as 0-3,8, not '{text}'") from None
    if not found:
        raise BenchError(f"{option} {text} names nothing")
    return tuple(found)


def _range(part: str) -> Sequence[int]:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def _list(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _hypervisor() -> str:
    flagged = " hypervisor" in Path("/proc/cpuinfo").read_text()
    return "yes" if flagged else "none seen"


def _version(build: Path) -> str:
    program = build / "onvm_runtime/native/dataplane/onvm-dataplane"
    if not program.exists():
        raise BenchError(f"{program} is not built: ninja -C {build}")
    return subprocess.check_output([program, "--version"], text=True).strip()


def _build_options(build: Path) -> str:
    """The options of Meson that decide about speed, as `buildtype=release optimization=3 …`."""
    path = build / "meson-info/intro-buildoptions.json"
    options = {o["name"]: o["value"] for o in json.loads(path.read_text())}
    shown = [f"buildtype={options['buildtype']}", f"optimization={options['optimization']}"]
    sanitize = options.get("b_sanitize") or "none"
    return " ".join(shown + ([] if sanitize in ("none", []) else [f"sanitize={sanitize}"]))

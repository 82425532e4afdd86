# SPDX-License-Identifier: BSD-3-Clause
"""`onvm bench`: starts the benchmarks, which live with the sources and not in the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

import onvm_runtime
from onvm_runtime.cli.failure import CommandError

# A checkout that this package is run from, and the sources that a node is built from.
SOURCES = (Path(onvm_runtime.__file__).resolve().parents[1], Path("/opt/onvm/src/tree"))
BENCH = "tests/bench"

# The benchmarks have options of their own, and a --help that lists them.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def bench(ctx: typer.Context) -> None:
    """Measures this machine: throughput, CPU time, latency; `onvm bench --help` has the options."""
    os.execv(sys.executable, [sys.executable, str(find()), *ctx.args])


def find() -> Path:
    """The folder of the benchmarks; raises CommandError where there is none."""
    for sources in SOURCES:
        if (sources / BENCH / "__main__.py").exists():
            return sources / BENCH
    raise CommandError(
        "the benchmarks are not on this host",
        remedy="Set onvm_runtime_bench: true and run playbooks/runtime.yml, or run "
        "`onvm bench` from a checkout.",
    )

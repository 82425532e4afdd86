# SPDX-License-Identifier: BSD-3-Clause
"""`onvm bench`: measures this machine, and reports."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tests.bench import machine, neighbours, registry
from tests.bench.failure import BenchError
from tests.bench.figure import Finding, or_missing
from tests.bench.registry import Benchmark
from tests.bench.report import document, plot, table
from tests.bench.setting import Setting

QUICK_SECONDS, SECONDS = 0.25, 1.0
QUICK_LENGTHS, LENGTHS = "1-3,5,7", "1-7"
ENDING = (signal.SIGINT, signal.SIGTERM)
WIDE = 160  # columns where nobody watches


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0, or 1 with a sentence on standard error."""
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        _run(_parser().parse_args(arguments))
    except BenchError as error:
        print(f"onvm bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(number: int, _frame: object) -> NoReturn:
    """Ends the run; a second signal must not disturb the clearing up after the first."""
    for ending in ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onvm bench",
        description="Measures the data plane beside dpdk-testpmd and a chain of DPDK processes.",
        epilog="Benchmarks: " + ", ".join(b.name for b in registry.known()),
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute; not all of them")
    parser.add_argument("--only", metavar="NAME", action="append", help="may be repeated")
    parser.add_argument("--repeat", metavar="N", type=_positive, default=5, help="samples (5)")
    parser.add_argument("--seconds", metavar="S", type=float, help="length of a sample")
    parser.add_argument("--cores", metavar="LIST", help="CPUs, I/O first: 0-3,8 (all)")
    parser.add_argument("--beside", action="store_true", help="a busy data plane's CPUs as well")
    parser.add_argument("--lengths", metavar="LIST", help="of chains, in NFs: 1-3,5,7 (1-7)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures for programs")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw the figures, as SVG")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run(options: argparse.Namespace) -> None:
    setting, chosen = _setting(options), _chosen(options.only, options.quick)
    about = machine.describe(setting.build)
    machine.refuse_unfit(setting.build)
    if not options.beside:
        neighbours.refuse_busy(setting.cores)
    console = _console()
    console.print(", ".join(f"{key}: {value}" for key, value in about.items()), soft_wrap=True)
    findings: list[Finding] = []
    for one in chosen:
        found = list(or_missing(one.name, one.title, one.body(setting)))
        console.print(table.draw(one.title, found))
        findings += found
    if options.json:
        document.write(options.json, document.document(about, _told(setting), findings))
    if options.plot:
        plot.draw(options.plot, about, findings)


def _setting(options: argparse.Namespace) -> Setting:
    lengths = options.lengths or (QUICK_LENGTHS if options.quick else LENGTHS)
    return Setting(
        build=Path(os.environ["ONVM_BUILD"]),
        cores=machine.cores(options.cores),
        lengths=machine.numbers("--lengths", lengths),
        repeat=options.repeat,
        seconds=options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
        quick=options.quick,
    )


def _chosen(names: Sequence[str] | None, quick: bool) -> list[Benchmark]:
    """Those that are named, else all that the run has time for."""
    known = {benchmark.name: benchmark for benchmark in registry.known()}
    for name in names or ():
        if name not in known:
            raise BenchError(f"--only {name}: there are {', '.join(known)}")
    wanted = names or [name for name, benchmark in known.items() if benchmark.quick or not quick]
    return [benchmark for name, benchmark in known.items() if name in wanted]


def _told(setting: Setting) -> dict[str, object]:
    return {
        "cores": list(setting.cores),
        "lengths": list(setting.lengths),
        "repeat": setting.repeat,
        "seconds": setting.seconds,
        "quick": setting.quick,
    }


def _console() -> Console:
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else WIDE)

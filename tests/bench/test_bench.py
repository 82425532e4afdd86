# SPDX-License-Identifier: BSD-3-Clause
"""`onvm bench` in a very short form, and its parts. What a machine is capable of is not tested."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.bench import machine, registry
from tests.bench.failure import BenchError
from tests.bench.figure import Baseline, Figure, Finding, Missing, Target, or_missing
from tests.bench.processes import wait_for
from tests.bench.report import document, plot, table
from tests.bench.sampling import Count, between
from tests.bench.setting import place
from tests.bench.statistics import Spread, ratio

BENCH = Path(__file__).parent
MACHINE = {"cpu": "a CPU", "cores": 2, "kernel": "6", "dataplane": "0", "build": "release"}
OPTIONS = {"cores": [0, 1], "lengths": [1], "repeat": 2, "seconds": 0.1, "quick": True}
NAMES = [
    "chain", "fuse", "hop", "idle", "latency", "ledger", "lookup", "memory", "replicas", "sampling",
    "startup", "wakeup", "workers",
]  # fmt: skip
SLOW = {"sampling", "workers"}  # not in a quick run


def figure(**changes: Any) -> Figure:
    """A throughput of 30 against 20, with a target that it misses."""
    usual = {
        "key": "chain.1.throughput",
        "title": "1 NF, throughput",
        "unit": "Mpps",
        "samples": (30.0, 28.0, 33.0),
        "baseline": Baseline("reference", (20.0, 10.0, 22.0)),
        "target": Target("ratio", ">=", 1.6),
    }
    return Figure(**{**usual, **changes})


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it as `onvm bench` does."""
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def leftovers() -> set[str]:
    """What a run must not leave: processes' folders, mounts, namespaces."""
    folders = [p for d in ("/tmp", "/var/run/dpdk") for p in Path(d).glob("onvm-bench-*")]
    mounts = [m for m in Path("/proc/mounts").read_text().splitlines() if "onvm-bench" in m]
    return {*map(str, folders), *mounts, *map(str, Path("/run/netns").glob("onvm-bench-*"))}


def test_a_spread_is_the_median_with_the_least_and_the_greatest() -> None:
    assert Spread.of([3, 1, 2, 10]) == Spread(2.5, 1, 10)
    with pytest.raises(ValueError, match="no sample"):
        Spread.of([])


def test_a_ratio_is_that_of_the_medians_with_the_spread_of_the_pairs() -> None:
    assert ratio([30, 28, 33], [20, 10, 22]) == Spread(1.5, 1.5, 2.8)


@pytest.mark.parametrize(("samples", "baseline"), [([], [1]), ([1], []), ([1], [0])])
def test_a_ratio_without_samples_or_to_zero_is_refused(
    samples: list[float], baseline: list[float]
) -> None:
    with pytest.raises(ValueError, match="a ratio needs"):
        ratio(samples, baseline)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (None, None),
        (Target("ratio", ">=", 1.6), False),
        (Target("ratio", ">=", 1.5), True),
        (Target("value", "<=", 30), True),
        (Target("value", "<=", 29), False),
    ],
)
def test_a_target_is_met_by_the_median(target: Target | None, met: bool | None) -> None:
    assert figure(target=target).met is met


def test_a_target_about_a_ratio_is_neither_met_nor_missed_without_the_baseline() -> None:
    assert figure(baseline=None).met is None


def test_what_stops_a_benchmark_is_said_after_what_it_found() -> None:
    def broken() -> Any:
        yield figure()
        raise BenchError("a cable is missing")

    found = list(or_missing("x", "an x", broken()))
    assert found == [figure(), Missing("x", "an x", "a cable is missing")]


def test_a_sample_counts_packets_by_the_wall_clock_and_costs_by_cpu_time() -> None:
    before, after = Count(100, 1000, 500, 10), Count(2_000_100, 41_001_000, 18_000_500, 2_000_010)
    sample = between(before, after, 0.5)
    assert (sample.mpps, sample.io_ns, sample.nf_ns) == (4.0, 20.5, 9.0)


@pytest.mark.parametrize(
    "after", [Count(1, 5, 5, 9), Count(9, 5, 5, 1)], ids=["none left", "NFs had no time"]
)
def test_a_system_that_moves_nothing_gives_no_sample(after: Count) -> None:
    with pytest.raises(BenchError, match="no packet passed"):
        between(Count(1, 0, 0, 1), after, 0.5)


@pytest.mark.parametrize(
    ("cores", "nfs", "placed", "own"),
    [
        ((0, 1), 1, (1,), True),
        ((0, 1), 3, (1, 1, 1), False),
        ((4, 5, 6), 3, (5, 6, 5), False),
        ((0, 1, 2, 3), 3, (1, 2, 3), True),
        ((7,), 2, (7, 7), False),
    ],
)
def test_nfs_get_cores_of_their_own_where_there_are_enough(
    cores: tuple[int, ...], nfs: int, placed: tuple[int, ...], own: bool
) -> None:
    placement = place(cores, nfs)
    assert (placement.io, placement.nfs, placement.own) == (cores[0], placed, own)


def test_cores_are_listed_as_taskset_lists_them() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    assert machine.cores(None) == tuple(allowed)
    assert machine.cores(f"{allowed[-1]},{allowed[0]}-{allowed[0]}") == (allowed[-1], allowed[0])


@pytest.mark.parametrize(
    ("asked", "said"), [("a", "takes a list"), ("100000", "may use"), ("3-1", "names nothing")]
)
def test_cores_that_cannot_be_are_refused(asked: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        machine.cores(asked)


def test_every_benchmark_is_known() -> None:
    assert [benchmark.name for benchmark in registry.known()] == NAMES


FINDINGS: list[Finding] = [
    figure(),
    figure(key="chain.7.throughput", baseline=None),
    figure(key="chain.1.driver", target=Target("ratio", ">=", 0.5)),
    figure(key="ledger.both", title="ledger", unit="CPU ns/packet", baseline=None, target=None),
    Missing("startup.container", "a container", "there is no Docker"),
]


def test_the_document_fits_its_schema() -> None:
    made = document.document(MACHINE, OPTIONS, FINDINGS)
    jsonschema.validate(made, json.loads(document.SCHEMA.read_text()))
    assert made["figures"][0]["ratio"] == {"median": 1.5, "min": 1.5, "max": 2.8}
    assert made["missing"][0]["reason"] == "there is no Docker"


def test_the_table_shows_figures_ratios_verdicts_and_reasons() -> None:
    drawn = table.draw("Chains", FINDINGS)
    rows = [list(column.cells) for column in drawn.columns]
    assert rows[1][:2] == ["30.0 (28.0-33.0)", "30.0 (28.0-33.0)"]
    assert rows[5][0] == "1.50 (1.50-2.80)"
    assert [str(cell) for cell in rows[7]] == ["missed", "", "met", "", ""]
    assert str(rows[2][4]) == "there is no Docker"


@pytest.mark.parametrize("findings", [FINDINGS, []], ids=["figures", "nothing"])
def test_the_plot_is_a_picture_with_a_headline(tmp_path: Path, findings: list[Finding]) -> None:
    plot.draw(tmp_path / "bench.svg", MACHINE, findings)
    texts = [
        element.text for element in ElementTree.parse(tmp_path / "bench.svg").iter()
        if element.tag.endswith("text")
    ]  # fmt: skip
    expected = "Chains pass 1.5 times the packets of the reference chain"
    assert (expected if findings else "onvm bench") in texts
    assert ("1 of 2 targets met" in texts) is bool(findings)


def test_a_short_run_writes_every_figure_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before, file, picture = leftovers(), tmp_path / "bench.json", tmp_path / "bench.svg"
    done = bench(
        "--quick", "--repeat", "1", "--seconds", "0.1", "--lengths", "1,3", "--beside",
        "--json", str(file), "--plot", str(picture),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    found = json.loads(file.read_text())
    jsonschema.validate(found, json.loads(document.SCHEMA.read_text()))
    assert picture.read_text().startswith("<?xml")
    assert leftovers() <= before
    measured = {f["key"]: f for f in found["figures"]}
    excused = {m["key"] for m in found["missing"]}
    assert {key.split(".")[0] for key in measured} == set(NAMES) - SLOW, found["missing"]
    assert excused <= {"startup.container"}, found["missing"]
    for key in ("chain.1.throughput", "chain.1.driver", "chain.3.hop", "startup.process"):
        one = measured[key]
        assert math.isclose(one["ratio"]["median"], one["median"] / one["baseline"]["median"])


def test_what_a_quick_run_has_no_time_for_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    only = [word for name in sorted(SLOW) for word in ("--only", name)]
    done = bench(*only, "--repeat", "1", "--seconds", "0.1", "--beside", "--json", str(file))
    assert done.returncode == 0, done.stderr

    found = json.loads(file.read_text())
    measured = {f["key"]: f for f in found["figures"]}
    assert {key.split(".")[0] for key in measured} == SLOW, found["missing"]
    assert {"sampling.hop.again", "workers.0.throughput", "workers.2.throughput"} <= set(measured)
    assert measured["sampling.io.1"]["median"] > measured["sampling.io.1"]["baseline"]["median"]


def test_clearing_up_does_not_hide_an_interrupt() -> None:
    def interrupted() -> Iterator[Finding]:
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("the data plane was interrupted as well")
        yield

    with pytest.raises(KeyboardInterrupt):
        list(or_missing("chain", "Chains", interrupted()))


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    before = leftovers()
    with subprocess.Popen(
        [sys.executable, str(BENCH), "--only", "chain", "--beside"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as running:  # fmt: skip
        wait_for(lambda: any("/huge" in line for line in leftovers() - before), "a baseline starts")
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        assert running.wait(30) == 130, running.communicate()
    assert leftovers() <= before


def test_an_unknown_benchmark_is_named(tmp_path: Path) -> None:
    done = bench("--only", "chains", "--json", str(tmp_path / "bench.json"))
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "--only chains: there are chain, fuse" in done.stderr

# SPDX-License-Identifier: BSD-3-Clause
"""Histograms of times: percentiles, merging, differences, and what becomes of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onvm_runtime._control import lib
from onvm_runtime.control import Region
from onvm_runtime.telemetry import histograms, latency, prometheus
from onvm_runtime.telemetry.histograms import BUCKETS, LINEAR, Histogram, lower, upper
from tests.unit.conftest import latencies

HZ = 1_000_000_000
STATUS: dict[str, Any] = {
    "nfs": [
        {"name": "wall-1", "service": "wall"},
        {"name": "wall-2", "service": "wall"},
        {"name": "nat-1", "service": "nat"},
    ],
    "chains": [{"id": 9, "name": "web", "reverse": False}],
}


def bucket_of(value: int) -> int:
    return next(bucket for bucket in range(BUCKETS) if value <= upper(bucket))


def histogram(values: list[int]) -> Histogram:
    """Of values in cycles of 1 Hz."""
    buckets: dict[int, int] = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    return Histogram(buckets, 1.0, float(sum(values)), float(max(values, default=0)))


def test_buckets_join_and_none_is_wider_than_a_sixteenth_of_its_values() -> None:
    assert [lower(bucket) for bucket in range(LINEAR)] == list(range(LINEAR))
    for bucket in range(BUCKETS - 1):
        assert lower(bucket + 1) == upper(bucket) + 1
        assert upper(bucket) - lower(bucket) <= lower(bucket) / LINEAR
    assert upper(BUCKETS - 1) == 2**34 - 1


@pytest.mark.parametrize("percent", [50, 90, 99, 99.9, 100])
def test_a_percentile_is_never_too_low_and_at_most_a_sixteenth_too_high(percent: float) -> None:
    chance = random.Random(1)
    values = sorted(int(chance.lognormvariate(8, 2)) for _ in range(5000))
    exact = values[max(0, -(-int(percent * 50) // 1) - 1)]
    assert exact <= histogram(values).percentile(percent) <= exact * (1 + 1 / LINEAR)


def test_nothing_was_counted() -> None:
    nothing = Histogram()
    assert (nothing.count, nothing.percentile(99), nothing.max) == (0, 0.0, 0.0)


def test_merged_histograms_are_that_of_all_values() -> None:
    one, other = [1, 5, 70, 1000], [5, 6, 70000]
    assert histograms.merge([histogram(one), Histogram(), histogram(other)]) == histogram(
        one + other
    )
    assert histograms.merge([]) == Histogram()


def test_a_difference_is_what_came_between_two_looks() -> None:
    before, later = [1, 5, 70], [5, 900]
    between = histograms.since(histogram(before), histogram(before + later))
    assert between.buckets == histogram(later).buckets
    assert (between.sum, between.max) == (905, 900)
    quiet = histograms.since(histogram(before), histogram(before))
    assert (quiet.count, quiet.max) == (0, 0.0)


def test_a_histogram_that_began_anew_counts_from_nothing() -> None:
    anew = histogram([3])
    assert histograms.since(histogram([1, 2, 70]), anew) == anew


def filled(**hops: tuple[int, int]) -> Region:
    """An NF that saw times in nanoseconds at hops of chain 9: h0=(wait, handling)."""

    def fill(region: Any) -> None:
        for name, (wait, handling) in hops.items():
            at = region.hop[9][int(name[1:])]
            for raw, value in ((at.wait, wait), (at.handling, handling)):
                raw.bucket[bucket_of(value)] = 1
                raw.sum = raw.max = value

    return Region(latencies("nf", fill), "nf_latency")


def node(total: int) -> Region:
    def fill(region: Any) -> None:
        region.workers = 2
        raw = region.worker[1].chain[9].total
        raw.bucket[bucket_of(total)] = 1
        raw.sum = raw.max = total

    return Region(latencies("node", fill), "node_latency")


@pytest.fixture
def taken() -> latency.Latency:
    own = {
        "wall-1": filled(h0=(1000, 500), h1=(7, 7)),
        "wall-2": filled(h0=(3000, 700)),
        "nat-1": filled(h1=(2000, 900)),
    }
    clock = {"every": 64, "hz": HZ}
    return latency.take(clock, STATUS, node(9000), own, {9: ["wall", "nat"]})


def test_a_hop_is_its_services_instances_together_and_only_they(taken: latency.Latency) -> None:
    (chain,) = taken.chains
    assert [(hop.service, hop.wait.count, hop.wait.max) for hop in chain.hops] == [
        ("wall", 2, 3000 / HZ),
        ("nat", 1, 2000 / HZ),
    ]
    assert chain.total.percentile(99) == 9000 / HZ
    assert [stage for _, _, stage, _ in chain.stages()] == [
        "wait",
        "handling",
        "wait",
        "handling",
        "home",
        "total",
    ]


def test_a_chain_without_hops_has_no_latency() -> None:
    assert latency.take({"every": 1, "hz": HZ}, STATUS, node(1), {}, {9: []}).chains == ()


def test_an_nf_that_lies_spoils_its_own_hop_only() -> None:
    def lie(region: Any) -> None:
        raw = region.hop[9][0].wait
        raw.bucket[0] = raw.bucket[BUCKETS - 1] = raw.sum = 2**64 - 1

    own = {
        "wall-1": Region(latencies("nf", lie), "nf_latency"),
        "nat-1": filled(h1=(2000, 900)),
    }
    (chain,) = latency.take(
        {"every": 1, "hz": HZ}, STATUS, node(9000), own, {9: ["wall", "nat"]}
    ).chains
    assert chain.hops[0].wait.count == 2 * (2**64 - 1)
    assert chain.hops[0].wait.percentile(99) == 0.0, "it said that its maximum is 0"
    assert chain.hops[1].wait.max == 2000 / HZ
    assert chain.total.max == 9000 / HZ


def test_prometheus_gets_a_histogram_of_each_stage(taken: latency.Latency) -> None:
    facts = prometheus.ManagerFacts("0.1.0", True, 0, (), ())
    page = prometheus.exposition(facts, None, taken).decode()
    (family,) = [f for f in text_string_to_metric_families(page) if "latency" in f.name]
    first = {"chain": "web", "id": "9", "way": "forward", "hop": "1", "service": "wall"}
    values = {
        sample.labels.get("le", sample.name): sample.value
        for sample in family.samples
        if sample.labels.items() >= {**first, "stage": "wait"}.items()
    }
    assert values["1e-06"] == 0, "the bucket of 1000 ns reaches beyond 1 us"
    assert values["2e-06"] == 1
    assert values["4e-06"] == values["+Inf"] == values["onvm_latency_seconds_count"] == 2
    assert values["onvm_latency_seconds_sum"] == pytest.approx(4e-6)
    stages = {(s.labels["hop"], s.labels["stage"]) for s in family.samples}
    assert ("", "total") in stages
    assert ("", "home") not in stages, "nothing was counted there"


def test_the_largest_bucket_is_that_of_c() -> None:
    assert lib.ONVM_HISTOGRAM_BUCKETS == 31 * 16

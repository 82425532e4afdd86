# SPDX-License-Identifier: BSD-3-Clause
"""CPU weights that follow what arrives."""

from __future__ import annotations

import pytest

from onvm_runtime.manager.rate_weights import LEAST, MOST, Sample, demand, smoothed, weights

ONE = (1,)


def test_a_demand_is_the_time_used_times_what_was_offered_of_what_passed() -> None:
    before, after = Sample(10.0, {1: 100, 2: 0}), Sample(10.5, {1: 200, 2: 100})
    assert demand(before, after, {}) == pytest.approx(0.5)
    assert demand(before, after, {1: 3.0, 2: 1.0}) == pytest.approx(1.0)
    assert demand(after, after, {1: 3.0}) == 0.0


def test_equal_arrivals_are_weighed_by_cost_however_the_time_was_shared() -> None:
    """1,000 packets/s arrive at each of two; one needs three times as long for each."""
    for first, second in ((0.5, 0.5), (0.25, 0.75), (0.9, 0.1)):
        cheap = demand(Sample(0, {}), Sample(first, {1: 600}), {1: 1000 / (first * 1200)})
        costly = demand(Sample(0, {}), Sample(second, {2: 200}), {2: 1000 / (second * 400)})
        assert weights({"a": cheap, "b": costly}, {"a": ONE, "b": ONE}, {}) == {"a": 50, "b": 150}


@pytest.mark.parametrize(
    ("demands", "present", "expected"),
    [
        ({"a": 1.0, "b": 1.0}, {}, {"a": 100, "b": 100}),
        ({"a": 0.0, "b": 0.0}, {}, {"a": 100, "b": 100}),
        ({"a": 0.0, "b": 1.0}, {}, {"a": LEAST, "b": 200}),
        ({f"x{n}": float(n == 0) for n in range(20)}, {}, None),
        ({"a": 1.0, "b": 1.1}, {"a": 100, "b": 100}, {"a": 100, "b": 100}),
    ],
)
def test_weights_are_bounded_and_small_changes_left_out(
    demands: dict[str, float], present: dict[str, int], expected: dict[str, int] | None
) -> None:
    found = weights(demands, dict.fromkeys(demands, ONE), present)
    assert all(LEAST <= weight <= MOST for weight in found.values())
    assert expected is None or found == expected


def test_processes_on_different_cpus_do_not_compete() -> None:
    cpus = {"a": (1,), "b": (2,)}
    assert weights({"a": 1.0, "b": 3.0}, cpus, {}) == {"a": 100, "b": 100}


def test_a_demand_follows_in_halves() -> None:
    assert smoothed(None, 4.0) == 4.0
    assert smoothed(4.0, 0.0) == 2.0

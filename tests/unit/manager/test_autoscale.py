# SPDX-License-Identifier: BSD-3-Clause
"""The policy that scales a service: when it does, and when it had better not."""

from __future__ import annotations

import pytest

from onvm_runtime.chains import Autoscale
from onvm_runtime.manager.autoscale import Watch, decide

POLICY = Autoscale(
    min=1, max=4, high=100, low=10, up_seconds=5, down_seconds=20, cooldown_seconds=10
)


def follow(measures: list[float], replicas: int = 1, policy: Autoscale = POLICY) -> list[int]:
    """The replicas after each second, with one measure a second."""
    watch, counts = Watch(), []
    for now, measure in enumerate(measures):
        replicas, watch = decide(policy, watch, replicas, measure, float(now))
        counts.append(replicas)
    return counts


def changes(counts: list[int], before: int) -> list[tuple[int, int]]:
    """Pairs of a second and the replicas from then on."""
    pairs = zip([before, *counts], counts, strict=False)
    return [(now, after) for now, (last, after) in enumerate(pairs) if last != after]


CASES = [
    ("high for long enough adds one", 1, [200] * 6, [(5, 2)]),
    ("high for a moment adds none", 1, [200] * 5 + [50] + [200] * 5, []),
    ("high goes on, with pauses to cool", 1, [200] * 40, [(5, 2), (15, 3), (25, 4)]),
    ("never more than max", 4, [900] * 40, []),
    ("never fewer than min", 1, [0] * 60, []),
    ("low for long enough takes one away", 3, [0] * 21, [(20, 2)]),
    ("low goes on", 3, [0] * 60, [(20, 2), (41, 1)]),
    ("between the bounds nothing changes", 2, [50] * 100, []),
    ("to and fro in no time changes nothing", 2, [200, 0] * 50, []),
    ("what the rest could not carry stays", 2, [9] * 100, [(20, 1)]),
    ("fewer than min is mended at once", 0, [50], [(0, 1)]),
    ("more than max is mended at once", 9, [50], [(0, 4)]),
]


@pytest.mark.parametrize(("before", "measures", "expected"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_policy(before: int, measures: list[float], expected: list[tuple[int, int]]) -> None:
    assert changes(follow(measures, before), before) == expected


def test_none_is_taken_away_whose_share_the_others_could_not_carry() -> None:
    close = Autoscale(min=1, max=4, high=12, low=10, up_seconds=5, down_seconds=5)
    assert follow([9] * 60, 2, close) == [2] * 60, "one replica alone would measure 18"


@pytest.mark.parametrize("load", [30, 90, 150, 250, 390])
def test_a_steady_load_is_settled_after_a_while(load: int) -> None:
    watch, replicas, counts = Watch(), 1, []
    for now in range(600):
        replicas, watch = decide(POLICY, watch, replicas, load / replicas, float(now))
        counts.append(replicas)
    assert len(set(counts[300:])) == 1

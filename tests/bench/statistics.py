# SPDX-License-Identifier: BSD-3-Clause
"""Medians and spreads."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some samples, with the least and the greatest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Raises ValueError without a sample."""
        if not samples:
            raise ValueError("there is no sample")
        return cls(statistics.median(samples), min(samples), max(samples))


def ratio(samples: Sequence[float], baseline: Sequence[float]) -> Spread:
    """How the samples stand to those of a baseline that were taken in turn with them.

    The median is that of one over that of the other; the spread is that of the pairs, sample by
    sample, for what disturbed the machine disturbed neighbours alike.  It is widened to hold the
    median.  Raises ValueError without a sample, or when the baseline has a zero.
    """
    if not samples or not baseline or 0 in baseline:
        raise ValueError("a ratio needs samples, and a baseline that is not zero")
    middle = statistics.median(samples) / statistics.median(baseline)
    pairs = [middle, *(one / other for one, other in zip(samples, baseline, strict=False))]
    return Spread(middle, min(pairs), max(pairs))

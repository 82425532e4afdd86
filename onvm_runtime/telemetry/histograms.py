# SPDX-License-Identifier: BSD-3-Clause
"""Log-linear histograms (native/protocol/histogram.h): merged, compared, summed up.

Values are times in seconds.  A bucket is at most 1/16 of its value wide, so a
percentile read from it is at most 6.25 % too high, and never too low.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from onvm_runtime._control import ffi, lib

LINEAR: int = lib.ONVM_HISTOGRAM_LINEAR
BUCKETS: int = lib.ONVM_HISTOGRAM_BUCKETS


@dataclass(frozen=True)
class Histogram:
    """Counted times.

    buckets  number of the bucket -> its count; empty ones are left out
    hz       cycles in a second: a bucket's bounds are cycles
    sum      of all times, in seconds
    max      the longest time, in seconds
    """

    buckets: Mapping[int, int] = field(default_factory=dict)
    hz: float = 1.0
    sum: float = 0.0
    max: float = 0.0

    @property
    def count(self) -> int:
        """How many times were counted."""
        return sum(self.buckets.values())

    def percentile(self, percent: float) -> float:
        """The time that `percent` of all do not exceed, in seconds; 0 where there are none."""
        rank = percent / 100 * self.count
        for bucket, count in self.cumulative():
            if count >= rank:
                return min(upper(bucket) / self.hz, self.max)
        return 0.0

    def cumulative(self) -> Iterable[tuple[int, int]]:
        """Buckets in order, each with the count of all up to it."""
        order = sorted(self.buckets)
        return zip(order, accumulate(self.buckets[bucket] for bucket in order), strict=True)


def lower(bucket: int) -> int:
    """The first value of a bucket, in cycles."""
    octave, place = divmod(bucket, LINEAR)
    return bucket if octave == 0 else (LINEAR + place) << (octave - 1)


def upper(bucket: int) -> int:
    """The last value of a bucket, in cycles."""
    return lower(bucket + 1) - 1


def read(raw: Any, hz: float) -> Histogram:
    """Copies a mapped `struct onvm_histogram`; whatever an NF wrote there makes a histogram."""
    counts: Sequence[int] = ffi.unpack(raw.bucket, BUCKETS)
    return Histogram(
        buckets={bucket: count for bucket, count in enumerate(counts) if count},
        hz=hz,
        sum=raw.sum / hz,
        max=raw.max / hz,
    )


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """All times of histograms of one clock together."""
    merged = Histogram()
    for other in histograms:
        merged = _add(merged, other) if merged.buckets else other if other.buckets else merged
    return merged


def _add(one: Histogram, other: Histogram) -> Histogram:
    return Histogram(
        buckets={
            bucket: one.buckets.get(bucket, 0) + other.buckets.get(bucket, 0)
            for bucket in {*one.buckets, *other.buckets}
        },
        hz=one.hz,
        sum=one.sum + other.sum,
        max=max(one.max, other.max),
    )


def since(before: Histogram, after: Histogram) -> Histogram:
    """What was counted between two looks at one histogram.

    Its `max` is the upper end of its highest bucket.  A histogram with fewer times than
    before began anew, and counts from nothing.
    """
    if any(after.buckets.get(bucket, 0) < count for bucket, count in before.buckets.items()):
        return after
    buckets = {
        bucket: count - before.buckets.get(bucket, 0)
        for bucket, count in after.buckets.items()
        if count > before.buckets.get(bucket, 0)
    }
    highest = upper(max(buckets)) / after.hz if buckets else 0.0
    return Histogram(buckets, after.hz, after.sum - before.sum, min(highest, after.max))

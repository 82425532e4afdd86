# SPDX-License-Identifier: BSD-3-Clause
"""How many replicas a service shall have, by what is measured.  Pure.

One replica more or less at a time.  What keeps it from flapping: the bounds lie apart,
the measure has to stay beyond one for a while, after a change nothing changes for
another while, and none is taken away whose share the others could not carry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from onvm_runtime.chains import Autoscale


@dataclass(frozen=True)
class Watch:
    """What is remembered of a service; times are seconds of any clock.

    above, below  since when the measure has been above `high`, or below `low`
    changed       when the number of replicas changed last
    """

    above: float | None = None
    below: float | None = None
    changed: float | None = None


def decide(
    policy: Autoscale, watch: Watch, replicas: int, measure: float, now: float
) -> tuple[int, Watch]:
    """The replicas that there shall be, and what to remember.

    measure  the mean over all replicas, in the unit of the policy's metric
    """
    watch = _observe(policy, watch, replicas, measure, now)
    wanted = _bounded(policy, replicas)
    if wanted == replicas and not _cools(policy, watch, now):
        wanted = replicas + _step(policy, watch, replicas, now)
    if wanted != replicas:
        watch = Watch(changed=now)
    return wanted, watch


def _observe(policy: Autoscale, watch: Watch, replicas: int, measure: float, now: float) -> Watch:
    return replace(
        watch,
        above=_since(watch.above, measure > policy.high, now),
        below=_since(watch.below, _is_low(policy, replicas, measure), now),
    )


def _since(before: float | None, holds: bool, now: float) -> float | None:
    if not holds:
        return None
    return now if before is None else before


def _is_low(policy: Autoscale, replicas: int, measure: float) -> bool:
    """Whether it is low, and would not be high if one replica fewer carried it all."""
    return measure < policy.low and measure * replicas < policy.high * (replicas - 1)


def _bounded(policy: Autoscale, replicas: int) -> int:
    return min(max(replicas, policy.min), policy.max)


def _cools(policy: Autoscale, watch: Watch, now: float) -> bool:
    return watch.changed is not None and now - watch.changed < policy.cooldown_seconds


def _step(policy: Autoscale, watch: Watch, replicas: int, now: float) -> int:
    if watch.above is not None and now - watch.above >= policy.up_seconds:
        return 1 if replicas < policy.max else 0
    if watch.below is not None and now - watch.below >= policy.down_seconds:
        return -1 if replicas > policy.min else 0
    return 0

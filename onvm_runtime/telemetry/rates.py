# SPDX-License-Identifier: BSD-3-Clause
"""Rates: what lies between two snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from onvm_runtime.telemetry.counters import FlowCount


@dataclass(frozen=True)
class Rate:
    """Packets and bits per second."""

    packets: float
    bits: float


def rate(before: FlowCount, after: FlowCount, seconds: float) -> Rate:
    """The mean rate between two counts taken `seconds` apart.

    A counter that went back began anew (its NF or the data plane was started
    again), so it counts from 0.  No time between them is no rate: 0.
    """
    if after.packets < before.packets or after.bytes < before.bytes:
        before = FlowCount(0, 0)
    if seconds <= 0:
        return Rate(0.0, 0.0)
    packets = (after.packets - before.packets) / seconds
    return Rate(packets, (after.bytes - before.bytes) * 8 / seconds)

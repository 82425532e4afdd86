# SPDX-License-Identifier: BSD-3-Clause
"""Golden cases: what an NF makes of given packets, one sentence a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onvm_runtime.nf.module import Module, Packet, Result, Verdict


@dataclass(frozen=True)
class Expected:
    """What must become of a packet.

    ``frame`` is None where the frame must leave as it came.
    """

    verdict: Verdict
    argument: int = 0
    frame: bytes | None = None


@dataclass(frozen=True)
class Step:
    """One packet into the NF, ``after`` seconds of silence, and what must come out."""

    packet: Packet
    expected: Expected
    after: float = 0.0


@dataclass(frozen=True)
class Case:
    """A sentence, the NF's configuration, and packets in order."""

    sentence: str
    steps: tuple[Step, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    branches: Mapping[str, int] = field(default_factory=dict)

    def run(self, module: Module) -> None:
        """Plays the case on a fresh module.  Raises AssertionError at the first difference."""
        module.configure(self.parameters, ports=self.ports, branches=self.branches)
        for number, step in enumerate(self.steps, start=1):
            module.now += step.after
            [result] = module.handle([step.packet])
            compare(number, step, result)


def compare(number: int, step: Step, result: Result) -> None:
    """Raises AssertionError where a result is not what its step expects."""
    expected = step.expected
    frame = step.packet.frame if expected.frame is None else expected.frame
    assert (result.verdict, result.argument) == (expected.verdict, expected.argument), (
        f"step {number}: {result.verdict.name} {result.argument}, "
        f"expected {expected.verdict.name} {expected.argument}"
    )
    assert result.frame == frame, f"step {number}: {result.frame.hex()}, expected {frame.hex()}"

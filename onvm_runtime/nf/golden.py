# SPDX-License-Identifier: BSD-3-Clause
"""Golden cases: what an NF makes of given packets, one sentence a case.

    CASES = [
        Case(
            "a packet that no rule matches takes the default verdict",
            parameters={"default": "drop"},
            steps=[Step(frame, dropped("nf_policy"))],
        ),
    ]

A case is played on a fresh module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onvm_runtime.nf.module import Module, Packet, Result, Verdict
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS

_REASONS = {reason.name: reason.number for reason in DROP_REASONS}


@dataclass(frozen=True)
class Expected:
    """What must become of a packet; frame is None where it must leave as it came."""

    verdict: Verdict
    argument: int = 0
    frame: bytes | None = None


def passed(frame: bytes | None = None) -> Expected:
    """The packet goes to the chain's next hop."""
    return Expected(Verdict.NEXT, frame=frame)


def sent_out(port: int, frame: bytes | None = None) -> Expected:
    """The packet leaves by a port, given by its number."""
    return Expected(Verdict.OUT, port, frame)


def branched(branch: int) -> Expected:
    """The packet goes to a branch of the service, given by its index."""
    return Expected(Verdict.TO, branch)


def dropped(reason: str) -> Expected:
    """The packet ends, for a reason of protocol/drop_reasons.h; its bytes do not matter."""
    return Expected(Verdict.DROP, _REASONS[reason])


@dataclass(frozen=True)
class Step:
    """One frame into the NF by ``port``, ``after`` seconds of silence, and what must come out."""

    frame: bytes
    expected: Expected
    port: int = 0
    after: float = 0.0


@dataclass(frozen=True)
class Case:
    """A sentence, the NF's configuration, and packets in order."""

    sentence: str
    steps: Sequence[Step]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    branches: Mapping[str, int] = field(default_factory=dict)

    def run(self, module: Module) -> None:
        """Plays the case on a fresh module.  Raises AssertionError at the first difference."""
        module.configure(self.parameters, ports=self.ports, branches=self.branches)
        for number, step in enumerate(self.steps, start=1):
            module.now += step.after
            [result] = module.handle([Packet(step.frame, step.port)])
            _compare(number, step, result)


def _compare(number: int, step: Step, result: Result) -> None:
    expected = step.expected
    assert (result.verdict, result.argument) == (expected.verdict, expected.argument), (
        f"step {number}: {result.verdict.name} {result.argument}, "
        f"expected {expected.verdict.name} {expected.argument}"
    )
    if expected.verdict is Verdict.DROP:
        return
    frame = step.frame if expected.frame is None else expected.frame
    assert result.frame == frame, f"step {number}: {result.frame.hex()}, expected {frame.hex()}"

# SPDX-License-Identifier: BSD-3-Clause
"""Every frame of the corpus through every NF that parses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime.nf import Module, Packet, Verdict
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS

LINES = Path(__file__).with_name("corpus.txt").read_text().split("\n\n# ")[1:]
FRAMES = [(name, bytes.fromhex(line)) for name, line in (entry.split("\n")[:2] for entry in LINES)]
GOOD = [frame for name, frame in FRAMES if not name.startswith("malformed")]
MALFORMED = [frame for name, frame in FRAMES if name.startswith("malformed")]

PARAMETERS: dict[str, dict[str, Any]] = {
    "firewall": {},
    "flow_monitor": {},
    "nat": {"inside": ["198.18.0.0/24"], "addresses": ["198.19.0.1"]},
}
REASON = {reason.number: reason.name for reason in DROP_REASONS}


@pytest.fixture(params=PARAMETERS)
def module(request: pytest.FixtureRequest, load: Callable[[str], Module]) -> Module:
    nf = load(request.param)
    nf.configure(PARAMETERS[request.param])
    return nf


def test_good_frames_are_not_malformed(module: Module) -> None:
    reasons = {REASON[r.argument] for r in module.handle(map(Packet, GOOD)) if not r.verdict}
    assert reasons <= {"nf_no_mapping", "nf_unsupported"}
    assert len(GOOD) > 20


@pytest.mark.parametrize("frame", MALFORMED, ids=lambda frame: frame.hex()[:40])
def test_malformed_frames_do_no_harm(frame: bytes, module: Module) -> None:
    [result] = module.handle([Packet(frame)])
    if result.verdict is Verdict.DROP:
        assert REASON[result.argument] in {"nf_malformed", "nf_unsupported"}
    else:
        assert result.frame == frame

# SPDX-License-Identifier: BSD-3-Clause
"""The JSON that programs read; schema.json beside this file describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure, Finding, Missing
from tests.bench.statistics import Spread

VERSION = 1
SCHEMA = Path(__file__).with_name("schema.json")


def document(
    machine: Mapping[str, Any], options: Mapping[str, Any], findings: Sequence[Finding]
) -> dict[str, Any]:
    """All that was found, under the names of schema.json."""
    return {
        "version": VERSION,
        "machine": dict(machine),
        "options": dict(options),
        "figures": [_figure(f) for f in findings if isinstance(f, Figure)],
        "missing": [asdict(f) for f in findings if isinstance(f, Missing)],
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes it for programs, and for people in a hurry."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "key": figure.key,
        "title": figure.title,
        "unit": figure.unit,
        **_spread(figure.value),
        "samples": list(figure.samples),
        "baseline": _baseline(figure),
        "ratio": _spread(figure.ratio) if figure.ratio else None,
        "target": asdict(figure.target) if figure.target else None,
        "met": figure.met,
        "note": figure.note,
    }


def _baseline(figure: Figure) -> dict[str, Any] | None:
    baseline = figure.baseline
    if baseline is None:
        return None
    found = Spread.of(baseline.samples)
    return {"name": baseline.name, **_spread(found), "samples": list(baseline.samples)}


def _spread(found: Spread) -> dict[str, float]:
    return {"median": found.median, "min": found.low, "max": found.high}

# SPDX-License-Identifier: BSD-3-Clause
"""The picture: throughput by chain length beside the baselines, and how every target is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure, Finding
from tests.bench.report import curves, targets
from tests.bench.report.svg import Drawing

WIDTH, MARGIN = 1240, 40
TOP, BOTTOM = 110, 520  # of both halves
MIDDLE = 700  # where the right half begins


def draw(path: Path, machine: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Writes the picture as SVG; raises OSError."""
    figures = [f for f in findings if isinstance(f, Figure)]
    chains = curves.by_length(figures)
    judged = [f for f in figures if f.met is not None]
    bottom = max(BOTTOM, TOP + targets.height(judged))
    drawing = Drawing(WIDTH, bottom + 50)
    drawing.text((MARGIN, 40), headline(chains), 22, bold=True)
    drawing.text((MARGIN, 63), _about(machine), 12, "#666")
    if chains:
        curves.draw(drawing, (MARGIN, TOP, MIDDLE - 60, bottom), chains, _driver(figures))
    targets.draw(drawing, (MIDDLE, TOP, WIDTH - MARGIN), judged)
    drawing.write(path)


def headline(chains: Mapping[int, Figure]) -> str:
    """What the first look should tell."""
    ratios = [figure.ratio.median for figure in chains.values() if figure.ratio]
    if not ratios:
        return "onvm bench"
    low, high = (f"{value:.1f}" for value in (min(ratios), max(ratios)))
    times = low if low == high else f"{low} to {high}"
    return f"Chains pass {times} times the packets of the reference chain"


def _about(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cores']} cores, {machine['cpu']}. 64-byte packets from a null port through NFs "
        "that swap MAC addresses. Medians; bands from the least to the greatest sample"
    )


def _driver(figures: Sequence[Figure]) -> Figure | None:
    return next((f for f in figures if f.key == "chain.1.driver"), None)

# SPDX-License-Identifier: BSD-3-Clause
"""How every target is kept: a bar that reaches the line, or does not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.bench.figure import Figure
from tests.bench.report.svg import Drawing
from tests.bench.report.table import digits
from tests.bench.statistics import Spread

MET, MISSED, WORDS = "#2a9d4a", "#c1121f", "#555555"
ROW = 25
NAMES, VALUES = 235, 120  # pixels at the left and right of the bars
MOST = 2.0  # times the target; longer bars are cut off there

Place = tuple[float, float, float]  # left, top, right


def height(figures: Sequence[Figure]) -> float:
    """Pixels that so many rows need."""
    return len(figures) * ROW + 10


def draw(drawing: Drawing, place: Place, figures: Sequence[Figure]) -> None:
    """One row for each figure that has a target."""
    left, top, right = place
    if not figures:
        return
    met = sum(figure.met is True for figure in figures)
    words = f"{met} of {len(figures)} targets met"
    drawing.text((left, top - 14), words, 15, WORDS, bold=True)
    start, end = left + NAMES, right - VALUES
    for i, figure in enumerate(figures):
        _row(drawing, figure, (left, top + i * ROW, right), start, end)
    line = start + (end - start) / MOST
    drawing.line([(line, top - 6), (line, top + len(figures) * ROW)], "#222222", 2)
    drawing.text((line, top - 12), "target", 12, WORDS, "middle")


def score(figure: Figure) -> float:
    """How many times as good as its target a figure is."""
    assert figure.target is not None
    found, bound = _found(figure).median, figure.target.bound
    return found / bound if figure.target.sign == ">=" else bound / max(found, 1e-9)


def _found(figure: Figure) -> Spread:
    ratio = figure.ratio
    return ratio if figure.target and figure.target.of == "ratio" and ratio else figure.value


def _row(drawing: Drawing, figure: Figure, place: Place, start: float, end: float) -> None:
    left, top, _ = place
    assert figure.target is not None
    colour = MET if figure.met else MISSED
    drawing.text((left, top + 16), figure.title, 12)
    length = min(score(figure), MOST) / MOST * (end - start)
    drawing.box((start, top + 4), length, ROW - 9, colour)
    unit = "×" if figure.target.of == "ratio" else re.split("/| of ", figure.unit)[0]
    value = f"{digits(_found(figure).median)} {unit}"
    bound = f"{'≥' if figure.target.sign == '>=' else '≤'} {figure.target.bound:g}"
    drawing.text((end + 8, top + 16), value, 12, colour, bold=True)
    drawing.text((place[2] + 20, top + 16), bound, 12, WORDS, "end")

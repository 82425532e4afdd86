# SPDX-License-Identifier: BSD-3-Clause
"""Throughput over the length of a chain: ours, the reference chain, and the driver's limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.figure import Figure
from tests.bench.report.svg import Drawing, Point
from tests.bench.statistics import Spread

OURS, REFERENCE, DRIVER, TARGET = "#1261a0", "#c8553d", "#777777", "#2a9d4a"
GRID, WORDS = "#e4e4e4", "#555555"
STEPS = (1, 2, 5, 10, 20, 25, 50, 100)  # Mpps between two lines of the grid
LABELS = 150  # pixels for the names of the curves
LABEL_GAP = 17  # pixels at least from one name to the next

Box = tuple[float, float, float, float]  # left, top, right, bottom
Curve = Mapping[int, Spread]
Label = tuple[float, str, str]  # y, words, colour


@dataclass(frozen=True)
class Frame:
    """Where the curves lie, and what its edges stand for."""

    box: Box
    lengths: Sequence[int]
    top: float

    def at(self, length: float, mpps: float) -> Point:
        """The point of a chain length and a throughput."""
        left, top, right, bottom = self.box
        first, last = self.lengths[0] - 0.5, self.lengths[-1] + 0.5
        x = left + (length - first) / (last - first) * (right - left)
        return x, bottom - mpps / self.top * (bottom - top)


def by_length(figures: Sequence[Figure]) -> dict[int, Figure]:
    """The throughput of chains by their length, shortest first."""
    named = [f.key.split(".") for f in figures]
    return {
        int(name[1]): figure
        for name, figure in zip(named, figures, strict=True)
        if name[0] == "chain" and name[2] == "throughput"
    }


def draw(drawing: Drawing, box: Box, chains: Mapping[int, Figure], driver: Figure | None) -> None:
    """All curves with their names at the right, and our ratio to the reference at each length."""
    ours = {length: figure.value for length, figure in chains.items()}
    reference = {n: Spread.of(f.baseline.samples) for n, f in chains.items() if f.baseline}
    wanted = {
        n: f.target.bound * reference[n].median
        for n, f in chains.items()
        if f.target and n in reference
    }
    limit = Spread.of(driver.baseline.samples) if driver and driver.baseline else None
    frame = _frame(box, ours, [*ours.values(), *reference.values(), *([limit] if limit else [])])
    _grid(drawing, frame)
    labels = [
        *_limit(drawing, frame, limit),
        *_curve(drawing, frame, reference, REFERENCE, "reference chain"),
        *_wanted(drawing, frame, wanted),
        *_curve(drawing, frame, ours, OURS, "onvm"),
    ]
    _ratios(drawing, frame, chains)
    _names(drawing, frame, labels)


def _frame(box: Box, ours: Curve, shown: Sequence[Spread]) -> Frame:
    left, top, right, bottom = box
    highest = max(spread.high for spread in shown)
    return Frame((left, top, right - LABELS, bottom), list(ours), highest * 1.08)


def _grid(drawing: Drawing, frame: Frame) -> None:
    left, top, right, bottom = frame.box
    step = next((s for s in STEPS if frame.top / s <= 7), STEPS[-1])
    for mpps in range(0, int(frame.top) + 1, step):
        y = frame.at(1, mpps)[1]
        drawing.line([(left, y), (right, y)], GRID)
        drawing.text((left - 6, y + 4), str(mpps), 12, WORDS, "end")
    for length in frame.lengths:
        drawing.text((frame.at(length, 0)[0], bottom + 20), str(length), 13, WORDS, "middle")
    drawing.text(((left + right) / 2, bottom + 40), "NFs in the chain", 13, WORDS, "middle")
    drawing.text((left - 20, top - 14), "Mpps", 13, WORDS)


def _curve(drawing: Drawing, frame: Frame, curve: Curve, colour: str, name: str) -> Sequence[Label]:
    if not curve:
        return []
    lows = [frame.at(n, spread.low) for n, spread in curve.items()]
    highs = [frame.at(n, spread.high) for n, spread in curve.items()]
    middle = [frame.at(n, spread.median) for n, spread in curve.items()]
    drawing.area([*highs, *reversed(lows)], colour, 0.15)
    drawing.line(middle, colour, 3)
    for point in middle:
        drawing.dot(point, 5, colour)
    return [(middle[-1][1], name, colour)]


def _wanted(drawing: Drawing, frame: Frame, wanted: Mapping[int, float]) -> Sequence[Label]:
    if not wanted:
        return []
    points = [frame.at(n, mpps) for n, mpps in wanted.items()]
    drawing.line(points, TARGET, 2, "3 4")
    return [(points[-1][1], "target", TARGET)]


def _limit(drawing: Drawing, frame: Frame, limit: Spread | None) -> Sequence[Label]:
    """The driver's, which has no chain; it is drawn over all lengths."""
    if limit is None:
        return []
    left, _, right, _ = frame.box
    y = frame.at(1, limit.median)[1]
    drawing.line([(left, y), (right, y)], DRIVER, 2, "8 5")
    return [(y, "dpdk-testpmd io", DRIVER)]


def _ratios(drawing: Drawing, frame: Frame, chains: Mapping[int, Figure]) -> None:
    for length, figure in chains.items():
        if figure.ratio:
            x, y = frame.at(length, figure.value.high)
            words = f"×{figure.ratio.median:.1f}"
            drawing.text((x, y - 10), words, 15, OURS, "middle", bold=True)


def _names(drawing: Drawing, frame: Frame, labels: Sequence[Label]) -> None:
    """At the ends of the curves, pushed apart where they would overlap."""
    x, lowest = frame.box[2] + 8, float("-inf")
    for y, words, colour in sorted(labels):
        lowest = max(y, lowest + LABEL_GAP)
        drawing.text((x, lowest + 5), words, 14, colour, bold=True)

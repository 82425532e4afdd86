# SPDX-License-Identifier: BSD-3-Clause
"""Shapes of an SVG drawing: a node gets a picture without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "Helvetica, Arial, sans-serif"

Point = tuple[float, float]


class Drawing:
    """A white sheet; lengths are pixels, y grows downwards, later shapes cover earlier ones."""

    def __init__(self, width: float, height: float) -> None:
        size = {"width": f"{width:g}", "height": f"{height:g}"}
        box = f"0 0 {width:g} {height:g}"
        self._root = ElementTree.Element(
            "svg", {"xmlns": NAMESPACE, **size, "viewBox": box, "font-family": FONT}
        )
        self.box((0, 0), width, height, "white")

    def line(self, points: Sequence[Point], colour: str, width: float = 1, dash: str = "") -> None:
        """A line from point to point; `dash`: lengths of strokes and gaps."""
        dashed = {"stroke-dasharray": dash} if dash else {}
        self._add("polyline", points=_points(points), fill="none", stroke=colour,
                  stroke_width=width, stroke_linejoin="round", **dashed)  # fmt: skip

    def area(self, points: Sequence[Point], colour: str, opacity: float) -> None:
        """A filled polygon."""
        self._add("polygon", points=_points(points), fill=colour, fill_opacity=opacity)

    def box(self, corner: Point, width: float, height: float, colour: str) -> None:
        """A filled rectangle by its upper left corner."""
        self._add("rect", x=corner[0], y=corner[1], width=width, height=height, fill=colour)

    def dot(self, centre: Point, radius: float, colour: str) -> None:
        """A filled circle."""
        self._add("circle", cx=centre[0], cy=centre[1], r=radius, fill=colour)

    def text(
        self, at: Point, words: str, size: float = 13, colour: str = "#222", anchor: str = "start",
        bold: bool = False,
    ) -> None:  # fmt: skip
        """Words whose baseline is `at`; anchor: start, middle or end."""
        weight = {"font-weight": "bold"} if bold else {}
        element = self._add("text", x=at[0], y=at[1], font_size=size, fill=colour,
                            text_anchor=anchor, **weight)  # fmt: skip
        element.text = words

    def write(self, path: Path) -> None:
        """Writes the file; raises OSError."""
        ElementTree.indent(self._root)
        ElementTree.ElementTree(self._root).write(path, encoding="utf-8", xml_declaration=True)

    def _add(self, tag: str, **attributes: object) -> ElementTree.Element:
        named = {key.replace("_", "-"): _text(value) for key, value in attributes.items()}
        return ElementTree.SubElement(self._root, tag, named)


def _text(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)

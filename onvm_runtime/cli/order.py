# SPDX-License-Identifier: BSD-3-Clause
"""What nodes say of one chain of a lab, in the order in which packets pass them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from onvm_runtime.chains.document import Problems, parse
from onvm_runtime.cli.reply import Across
from onvm_runtime.cli.session import Session
from onvm_runtime.cli.table import table
from onvm_runtime.lab.visits import visits

Row = tuple[object, ...]
Rows = Callable[[Any, str], Iterable[Row]]  # of a node's answer, about its chain of this name


def along(session: Session, chain: str | None, columns: Sequence[str], rows: Rows) -> Across | None:
    """Draws the answers of nodes as one table that follows a chain; None: no lab or no chain."""
    if session.inventory is None or chain is None:
        return None
    specs = session.ask(lambda of: of.get("/v1/spec")).by_node()
    order = visits({node: _content(spec["text"]) for node, spec in specs.items()}, chain)

    def draw(nodes: Mapping[str, Any]) -> RenderableType:
        return table(
            ("NODE", *columns),
            [
                (node, *row)
                for node, name in order
                if node in nodes
                for row in rows(nodes[node], name)
            ],
        )

    return draw


def _content(text: str) -> Mapping[str, Any]:
    root = parse(text, Problems("chains")) if text else None
    content: Any = root.plain() if root else {}
    return content if isinstance(content, dict) else {}

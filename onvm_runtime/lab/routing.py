# SPDX-License-Identifier: BSD-3-Clause
"""Ways between nodes over links: the shortest, and of equal ones always the same."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from onvm_runtime.lab.spec import Link


class Routing:
    """Shortest ways over links, counted in links."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        self._links = links
        self._beside: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in sorted(links):
            for end in links[name].ends:
                self._beside[end.node].append((name, links[name].far(end.node).node))
        self._trees: dict[str, dict[str, str]] = {}

    def joined(self, here: str, there: str) -> bool:
        """Whether links lead from one node to another; a node is joined to itself."""
        return here == there or here in self._tree(there)

    def links_between(self, here: str, there: str) -> list[str]:
        """The names of the links of the way; the nodes must be joined."""
        way, node = [], here
        while node != there:
            way.append(self._tree(there)[node])
            node = self._links[way[-1]].far(node).node
        return way

    def _tree(self, root: str) -> dict[str, str]:
        """For every node that reaches `root`, the link to take first."""
        if root not in self._trees:
            self._trees[root] = self._grow(root)
        return self._trees[root]

    def _grow(self, root: str) -> dict[str, str]:
        first: dict[str, str] = {}
        todo = deque([root])
        while todo:
            near = todo.popleft()
            for link, node in self._beside[near]:
                if node != root and node not in first:
                    first[node] = link
                    todo.append(node)
        return first

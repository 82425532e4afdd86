# SPDX-License-Identifier: BSD-3-Clause
"""What came back: of one manager, or of each node of a lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from onvm_runtime.cli.failure import ExitCode
from onvm_runtime.cli.remote.parallel import Outcome
from onvm_runtime.cli.table import together

Draw = Callable[[Any, Any], RenderableType]  # an answer, and the one before or None
Across = Callable[[Mapping[str, Any]], RenderableType]  # the answers of all nodes


class Reply(Protocol):
    """Answers, and how they are shown."""

    @property
    def code(self) -> ExitCode:
        """OK where everybody answered."""

    def answers(self) -> Iterator[Any]:
        """The answers, one for each manager that gave one."""

    def by_node(self) -> Mapping[str, Any]:
        """The answers by the name of the node, which is empty where one manager was asked."""

    def to_json(self) -> Any:
        """What a program reads."""

    def page(self, draw: Draw, before: Reply | None, across: Across | None) -> RenderableType:
        """What a user reads; `across` draws all nodes together, else `draw` does one by one."""


@dataclass(frozen=True)
class One:
    """The answer of the one manager that was asked."""

    value: Any
    code: ExitCode = ExitCode.OK

    def answers(self) -> Iterator[Any]:
        """That answer."""
        yield self.value

    def by_node(self) -> Mapping[str, Any]:
        """That answer."""
        return {"": self.value}

    def to_json(self) -> Any:
        """The answer as it is."""
        return self.value

    def page(self, draw: Draw, before: Reply | None, _across: Across | None) -> RenderableType:
        """The drawn answer."""
        return draw(self.value, before.value if isinstance(before, One) else None)


@dataclass(frozen=True)
class Many:
    """What each node of a lab answered, or why it did not."""

    outcome: Outcome

    @property
    def code(self) -> ExitCode:
        """UNREACHABLE where a node could not be asked, else the code of the first refusal."""
        codes = [failure.code for failure in self.outcome.failed.values()]
        if ExitCode.UNREACHABLE in codes:
            return ExitCode.UNREACHABLE
        return codes[0] if codes else ExitCode.OK

    def answers(self) -> Iterator[Any]:
        """Those of the nodes that answered."""
        yield from self.outcome.answers.values()

    def by_node(self) -> Mapping[str, Any]:
        """Those of the nodes that answered."""
        return self.outcome.answers

    def to_json(self) -> Any:
        """`nodes`: answers by node; `failed`: failures by node."""
        failed = {name: failure.to_json() for name, failure in self.outcome.failed.items()}
        return {"nodes": self.outcome.answers, "failed": failed}

    def page(self, draw: Draw, before: Reply | None, across: Across | None) -> RenderableType:
        """One page for all nodes, then a line for each that did not answer."""
        answers = self.outcome.answers
        earlier = before.outcome.answers if isinstance(before, Many) else {}
        drawn = (
            across(answers)
            if across
            else together({name: draw(now, earlier.get(name)) for name, now in answers.items()})
        )
        return Group(drawn, *self._missing())

    def _missing(self) -> Iterator[RenderableType]:
        for name, failure in self.outcome.failed.items():
            yield Text(f"{name}: no answer: {failure.error}", "red")
            if failure.remedy:
                yield Text(f"{name}: {failure.remedy}", "red")

# SPDX-License-Identifier: BSD-3-Clause
"""The catalogue: which NFs there are and which parameters they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onvm_runtime.chains import limits, values
from onvm_runtime.chains.document import Fields, Problems, parse
from onvm_runtime.chains.parameters import schema_problem
from onvm_runtime.chains.problem import SpecError
from onvm_runtime.chains.spec import Json

_REQUIRED = ("name", "summary", "parameters")
_KEYS = (*_REQUIRED, "stateful", "shares")


@dataclass(frozen=True)
class NF:
    """One entry: an NF's name, a sentence about it, the JSON Schema of its parameters.

    stateful  its instances know their flows, which therefore have to stay where they are
    shares    the parameter that says into how many shares an instance's resources are cut, and so
              how many replicas there may be (1 where it is missing); each instance is told its
              number by a parameter `replica`.  Empty: replicas need not know of each other
    """

    name: str
    summary: str
    parameters: Mapping[str, Json]
    stateful: bool = False
    shares: str = ""


class Catalogue(dict[str, NF]):
    """The known NFs by name."""

    @classmethod
    def load(cls, texts: Iterable[tuple[str, str]]) -> Catalogue:
        """Reads (source, text of an nf.yml) pairs.

        Raises SpecError when an entry is incomplete, defined twice, or its
        `parameters` are no JSON Schema.
        """
        catalogue, refused = cls(), []
        for source, text in texts:
            problems = Problems(source)
            entry = _entry(text, problems)
            if entry.name in catalogue:
                problems.add("name", 1, f"NF {entry.name!r} is defined twice: rename one")
            catalogue[entry.name] = entry
            refused += problems.found
        if refused:
            raise SpecError(refused)
        return catalogue


def _entry(text: str, problems: Problems) -> NF:
    root = parse(text, problems)
    if root is None:
        return NF("", "", {})
    fields = Fields(root, problems, _KEYS, required=_REQUIRED)
    schema = {name: node.plain() for name, node in fields.entries("parameters").items()}
    node, why = fields.node("parameters"), schema_problem(schema)
    if node and why:
        problems.add(node.key, node.line, why)
    return NF(
        name=fields.take("name", values.name(limits.NAME), ""),
        summary=fields.take("summary", values.text, ""),
        parameters=schema,
        stateful=fields.take("stateful", values.boolean, False),
        shares=fields.take("shares", values.text, ""),
    )

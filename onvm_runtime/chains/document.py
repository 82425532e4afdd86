# SPDX-License-Identifier: BSD-3-Clause
"""YAML in which every value knows its place.

Plain scalars are read by the core schema of YAML 1.2.2 (section 10.3), so
`00:11:22:33:44:55` stays text and `no` is not false.  Everything that a JSON
text cannot say is refused: tags, keys that are no scalars, two equal keys, aliases
to what is around them.  Other aliases are written out, within bounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import yaml

from onvm_runtime.chains.problem import Problem, SpecError, suggest
from onvm_runtime.chains.spec import Json

T = TypeVar("T")
D = TypeVar("D")

Content: TypeAlias = "bool | int | float | str | list[Node] | dict[str, Node] | None"

# Nobody's honest configuration has more; aliases of aliases would fill any memory.
MAX_DEPTH = 64
MAX_VALUES = 200_000

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class Node:
    """One value: its dotted key, its line (that of its key, from 1) and its content."""

    key: str
    line: int
    content: Content

    def plain(self) -> Json:
        """The value without places."""
        if isinstance(self.content, dict):
            return {name: node.plain() for name, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        below: Iterable[Node] = ()
        if isinstance(self.content, dict):
            below = self.content.values()
        elif isinstance(self.content, list):
            below = self.content
        for node in below:
            yield from node.walk()


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Problem] = []
        self._unreadable: set[str] = set()

    def add(self, key: str, line: int, message: str) -> None:
        """Notes one problem; nothing more can be said about a value that could not be read."""
        if key not in self._unreadable:
            self.found.append(Problem(self.file, line, key, message))

    def add_unreadable(self, key: str, line: int, message: str) -> None:
        """Notes the problem of a value that cannot be read."""
        self.add(key, line, message)
        self._unreadable.add(key)

    def within(self, key: str) -> bool:
        """Whether `key` or anything below it has a problem already."""
        return any(
            found.key == key or found.key.startswith((f"{key}.", f"{key}[")) for found in self.found
        )

    def refuse_any(self) -> None:
        """Raises SpecError when there is a problem."""
        if self.found:
            raise SpecError(self.found)


class Fields:
    """The keys of a mapping, each read by a converter that raises ValueError.

    Whatever is wrong becomes a problem, and the value its default, so that one
    pass finds all mistakes.
    """

    def __init__(
        self, node: Node, problems: Problems, known: Sequence[str], required: Sequence[str] = ()
    ) -> None:
        self._node = node
        self._problems = problems
        self._content = node.content if isinstance(node.content, dict) else {}
        if not isinstance(node.content, dict):
            problems.add(node.key, node.line, f"must be a mapping with {', '.join(known)}")
            return
        self._refuse_unknown(known)
        for name in required:
            if name not in self._content:
                problems.add(node.key, node.line, f"needs the key {name!r}: add it")

    def take(self, name: str, convert: Callable[[Content], T], default: D) -> T | D:
        """The value of a key, or `default` when it is missing or wrong."""
        node = self._content.get(name)
        return default if node is None else self._convert(node, convert, default)

    def each(self, name: str, convert: Callable[[Content], T], default: T) -> tuple[T, ...]:
        """The items of a list; a wrong one becomes `default`, so that places stay."""
        return tuple(self._convert(item, convert, default) for item in self.items(name))

    def items(self, name: str) -> list[Node]:
        """The nodes of a list; none when it is missing or no list."""
        node = self._content.get(name)
        if node is None:
            return []
        if isinstance(node.content, list):
            return node.content
        self._problems.add(node.key, node.line, "must be a list: put it in [brackets]")
        return []

    def entries(self, name: str) -> dict[str, Node]:
        """The nodes of a mapping with free keys; none when it is missing or no mapping."""
        node = self._content.get(name)
        if node is None:
            return {}
        if isinstance(node.content, dict):
            return node.content
        self._problems.add(node.key, node.line, "must be a mapping of names")
        return {}

    def node(self, name: str) -> Node | None:
        """The node of a key."""
        return self._content.get(name)

    def _convert(self, node: Node, convert: Callable[[Content], T], default: D) -> T | D:
        try:
            if node.content is None:
                raise ValueError("has no value: write one, or leave the key out")
            return convert(node.content)
        except ValueError as error:
            self._problems.add(node.key, node.line, str(error))
            return default

    def _refuse_unknown(self, known: Sequence[str]) -> None:
        for name, node in self._content.items():
            if name not in known:
                self._problems.add(node.key, node.line, f"unknown key; {suggest(name, known)}")


def parse(text: str, problems: Problems) -> Node | None:
    """Reads a text of one YAML document.

    None when there is nothing to go on with; `problems` says why.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        problems.add("", _error_line(error), f"not YAML: {_error_text(error)}")
        return None
    if root is None:
        problems.add("", 1, "the file is empty: it must be a mapping")
        return None
    return _Builder(problems).node(root, "", 1)


def write(value: Json) -> str:
    """The text of a document that `parse` reads as this very value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever would not be read as this very text."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    clear = text.isprintable() and isinstance(_scalar(text, quoted=False), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if clear else '"')


_Dumper.add_representer(str, _represent_text)


class _Builder:
    """Turns PyYAML's nodes into ours."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._around: list[yaml.Node] = []
        self._values = 0

    def node(self, raw: yaml.Node, key: str, line: int) -> Node:
        return Node(key, line, self._content(raw, key, line))

    def _content(self, raw: yaml.Node, key: str, line: int) -> Content:
        self._values += 1
        refusal = self._refusal(raw)
        if refusal:
            self._problems.add_unreadable(key, line, refusal)
            return None
        if isinstance(raw, yaml.ScalarNode):
            return _scalar(str(raw.value), quoted=bool(raw.style))
        self._around.append(raw)
        try:
            return self._collection(raw, key)
        finally:
            self._around.pop()

    def _collection(self, raw: yaml.Node, key: str) -> Content:
        if isinstance(raw, yaml.MappingNode):
            return dict(self._entries(raw, key))
        items: list[yaml.Node] = raw.value
        return [self.node(item, f"{key}[{n}]", _line(item)) for n, item in enumerate(items)]

    def _refusal(self, raw: yaml.Node) -> str | None:
        if any(raw is other for other in self._around):
            return "an alias to what is around it has no end: write the value out"
        if len(self._around) > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels: make it flatter"
        if self._values > MAX_VALUES:
            return f"more than {MAX_VALUES:,} values, aliases written out: shorten the file"
        if not raw.tag.startswith("tag:yaml.org,2002:"):
            return f"the tag {raw.tag} has no meaning here: remove it"
        return None

    def _entries(self, raw: yaml.MappingNode, parent: str) -> Iterator[tuple[str, Node]]:
        lines: dict[str, int] = {}
        for name_node, value in raw.value:
            line = _line(name_node)
            if not isinstance(name_node, yaml.ScalarNode):
                self._problems.add(parent, line, "a key must be a word: write it without brackets")
                continue
            name = str(name_node.value)
            key = f"{parent}.{name}" if parent else name
            if name in lines:
                self._problems.add(
                    key, line, f"given twice, first in line {lines[name]}: remove one"
                )
                continue
            lines[name] = line
            yield name, self.node(value, key, line)


def _line(raw: yaml.Node) -> int:
    return int(raw.start_mark.line) + 1


def _scalar(text: str, quoted: bool) -> Content:
    if quoted:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _error_line(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return int(mark.line) + 1 if mark else 1


def _error_text(error: Exception) -> str:
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    said = ", ".join(part for part in parts if part) or str(error)
    return f"{said}; check indentation (spaces, no tabs), quotes and brackets"
